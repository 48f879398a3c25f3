"""Data: a source gives all examples, one place splits and standardises them, and test stays shut.

A source is a function that an option of ``conf/data`` names as ``_target_``; it returns :class:`Examples`.
:func:`load` gives training and validation; nothing but :func:`open_test` gives the test split to a network
(``stage=inspect`` reads all examples through :func:`read`, to find what two splits share).
"""

from sweeper.trial.data.examples import Data, Examples, Split
from sweeper.trial.data.load import load, open_test, read

__all__ = ["Data", "Examples", "Split", "load", "open_test", "read"]
