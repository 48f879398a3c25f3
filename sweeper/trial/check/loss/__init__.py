"""Whether the loss says what is meant: per example, of the right sign, with one softmax."""
