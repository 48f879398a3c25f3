"""What depends on what: examples on each other, outputs on inputs, gradients on parameters."""
