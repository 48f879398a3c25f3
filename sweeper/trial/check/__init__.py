"""Checks of a training skeleton before it costs a GPU-hour (recipe tips 7 to 20).

``python train.py stage=check`` runs them on what the config builds; ``from sweeper import check`` runs them on
any model, loss, data, optimizer, training step and evaluation. A check is one file with one class of
:class:`Check` in a folder here; the folders, in the order of ``GROUPS``, go from cause to effect, so that the
verdict that fails first names the root cause. A new check is a new file: nothing lists them.
"""

from sweeper.trial.check.api import check
from sweeper.trial.check.check import Check, CheckFailed, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Report, Verdict

__all__ = ["Check", "CheckFailed", "NotApplicable", "Report", "Subject", "Verdict", "check"]
