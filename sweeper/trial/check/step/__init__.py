"""One training step and the next: gradients, their order, learning rate and schedule."""
