"""sweeper: the careful way to train a network, made the easy one."""

from sweeper.errors import ConfigError
from sweeper.space_node import without_space
from sweeper.trial.report import Pruned, artifact, report

__all__ = ["ConfigError", "Pruned", "artifact", "report", "without_space"]
