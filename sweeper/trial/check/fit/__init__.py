"""Short trainings: one batch overfitted, inputs against none, more capacity."""
