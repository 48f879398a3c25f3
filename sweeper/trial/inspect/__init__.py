"""``stage=inspect``: what is in the data and what is wrong with it, before anything is trained on it.

``stage`` runs it; ``inspected`` holds what is known of each example, ``verdicts`` judge it, ``page`` shows it.
"""
