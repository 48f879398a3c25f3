"""Evaluation: its mode, its weighting, its metric, and what it leaves behind."""
