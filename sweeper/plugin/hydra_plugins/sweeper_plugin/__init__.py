"""Hydra scans this package at each start, so its modules only register: they stay import-light."""
