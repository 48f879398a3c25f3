"""Two more words for Hydra's command line, ``uniform(low, high)`` and ``loguniform(low, high)``; null in ``choice``.

Hydra checks their arguments against the annotations at run time, so these must be real types here.
"""

import inspect

from hydra.core.override_parser import overrides_parser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep
from omegaconf import OmegaConf


def uniform(low: int | float, high: int | float) -> IntervalSweep:
    """A real number, uniform in [low, high]."""
    return IntervalSweep(start=float(low), end=float(high))


def loguniform(low: int | float, high: int | float) -> IntervalSweep:
    """A positive real number, its logarithm uniform in [log low, log high]."""
    return IntervalSweep(start=float(low), end=float(high), tags={"log"})


def choice(*args: str | int | float | bool | dict | list | ChoiceSweep | None) -> ChoiceSweep:
    """What Hydra's own ``choice`` takes, and null, which Hydra knows in ``key=null,1`` alone."""
    raise NotImplementedError("only its signature is used")


def extend_grammar() -> None:
    """Teach every parser that Hydra makes from now on these words; Hydra has no hook for it."""
    plain = overrides_parser.create_functions
    if getattr(plain, "knows_uniform", False):
        return

    def create_functions() -> object:
        functions = plain()
        functions.register(name="uniform", func=uniform)
        functions.register(name="loguniform", func=loguniform)
        functions.definitions["choice"] = inspect.signature(choice)
        return functions

    create_functions.knows_uniform = True  # type: ignore[attr-defined]
    overrides_parser.create_functions = create_functions


def direction_of(metric: str) -> str:
    """``minimize`` for losses and errors, ``maximize`` for scores; else a word that the sweeper's check refuses."""
    words = metric.lower().split("_")
    if any(w in ("loss", "error", "mse", "mae", "rmse", "nll", "perplexity") for w in words):
        return "minimize"
    if any(w in ("accuracy", "acc", "r2", "auc", "f1", "precision", "recall", "score") for w in words):
        return "maximize"
    return f"unknown for {metric}"


extend_grammar()
OmegaConf.register_new_resolver("sweeper.direction", direction_of, replace=True)
OmegaConf.register_new_resolver(
    "sweeper.first", lambda name, otherwise: otherwise if name is None else name, replace=True
)
OmegaConf.register_new_resolver("sweeper.pad", lambda n, width=4: f"{int(n):0{int(width)}d}", replace=True)
