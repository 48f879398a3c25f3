"""Reruns: the same seed gives the same bits."""
