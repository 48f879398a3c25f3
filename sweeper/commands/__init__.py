"""What is done to a study from outside it: one module a command, each with ``add(commands)`` and ``run(args)``."""
