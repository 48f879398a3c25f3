"""The pictures of a study: interactive HTML files that open offline and in MLflow's artifact view."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

log = logging.getLogger(__name__)

TRIALS_FOR_IMPORTANCES = 10  # from fewer its ranking is noise


def write_plots(study: Study, folder: Path, metric: str = "objective") -> list[Path]:
    """Write ``folder/plots/*.html``, their axes named after the ``metric``; the files written.

    History, parallel coordinates, slices and importances for each objective, and the Pareto front of two or
    three. A plot that the study's trials do not allow is left out, with its reason in the log; never raises.
    """
    written = []
    try:
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        figures = list(_figures(study, complete, metric))
    except Exception as error:
        log.warning("plots: none (%s: %s)", type(error).__name__, error)
        return []
    for name, draw in figures:
        path = folder / "plots" / f"{name}.html"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # optuna's word on experimental arguments
                figure = draw()
            if not figure.data:
                raise ValueError("its trials have nothing in common to show")
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.write_html(path, include_plotlyjs=True)  # 5 MB a file: the price of needing no network
            written.append(path)
        except Exception as error:
            log.info("plots: no %s (%s)", name, error)
    return written


def _figures(study: Study, complete: list[FrozenTrial], metric: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Each plot that the completed trials allow, by name."""
    objectives = len(study.directions)
    searched = {name for trial in complete for name in trial.params}
    if len(complete) < 2:
        return

    with _import_without("matplotlib", "sklearn"):
        import optuna.importance  # noqa: F401 (visualization imports it when it draws)
        import optuna.visualization as draw  # `from optuna` would get one that imports itself later

    if objectives in (2, 3):
        yield "pareto_front", partial(draw.plot_pareto_front, study)
    for i in range(objectives):
        suffix = f"_{i}" if objectives > 1 else ""
        of_one: dict[str, Any] = {"target_name": metric}
        if objectives > 1:
            of_one = {"target": partial(_value, i), "target_name": f"objective {i}"}
        yield f"history{suffix}", partial(draw.plot_optimization_history, study, **of_one)
        if searched:
            yield f"parallel_coordinate{suffix}", partial(draw.plot_parallel_coordinate, study, **of_one)
            yield f"slice{suffix}", partial(draw.plot_slice, study, **of_one)
        if len(searched) > 1 and len(complete) >= TRIALS_FOR_IMPORTANCES:
            yield f"param_importances{suffix}", partial(_importances, study, of_one)


@contextmanager
def _import_without(*names: str) -> Iterator[None]:
    """Import as if ``names`` weren't installed: optuna imports them, for 3 s, in functions that we don't use."""
    blocked = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(blocked))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in blocked:
            del sys.modules[name]


def _importances(study: Study, of_one: dict[str, Any]) -> Any:
    # PED-ANOVA (Watanabe et al., 2023): milliseconds, where the default grows a forest
    from optuna.importance import PedAnovaImportanceEvaluator
    from optuna.visualization import plot_param_importances

    return plot_param_importances(study, evaluator=PedAnovaImportanceEvaluator(), **of_one)


def _value(i: int, trial: FrozenTrial) -> float:
    return float(trial.values[i])
