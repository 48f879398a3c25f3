"""Whether the labels belong to the inputs, and the splits to each other; by simple models."""
