"""The study half: space, samplers, the loop, launchers, relay and results. It never imports torch."""
