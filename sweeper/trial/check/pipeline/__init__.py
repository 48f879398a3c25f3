"""Loaders and augmentation: order, randomness, range, and what must stay plain."""
