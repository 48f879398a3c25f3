import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from sweeper.study.view.plots import write_plots
from tests.conftest import ROOT


def study_of(trials: int, directions: int = 1, params: int = 2) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(directions=["minimize"] * directions, sampler=optuna.samplers.RandomSampler(seed=0))

    def objective(trial: optuna.Trial) -> list[float]:
        x = sum(trial.suggest_float(f"optimizer.p{i}", 1e-3, 1, log=True) for i in range(params))
        return [x * (-1) ** i for i in range(directions)]

    study.optimize(lambda t: objective(t) if directions > 1 else objective(t)[0], n_trials=trials)
    return study


def names(paths: list[Path]) -> set[str]:
    return {path.stem for path in paths}


def test_plots_are_whole_pages_that_need_no_network(tmp_path: Path) -> None:
    written = write_plots(study_of(12), tmp_path, "val_loss")
    assert names(written) == {"history", "parallel_coordinate", "slice", "param_importances"}
    for path in written:
        page = path.read_text(encoding="utf-8")
        assert "Plotly.newPlot" in page and '"val_loss"' in page
        assert "<script src=" not in page


def test_several_objectives_have_a_front_and_plots_each(tmp_path: Path) -> None:
    written = names(write_plots(study_of(4, directions=2), tmp_path))
    assert written == {
        "pareto_front",
        *("history_0", "parallel_coordinate_0", "slice_0"),
        *("history_1", "parallel_coordinate_1", "slice_1"),
    }


@pytest.mark.parametrize(("trials", "params", "expected"), [(0, 2, set()), (1, 2, set()), (3, 0, {"history"})])
def test_what_the_trials_do_not_allow_is_left_out(tmp_path: Path, trials: int, params: int, expected: set[str]) -> None:
    assert names(write_plots(study_of(trials, params=params), tmp_path)) == expected


def test_failed_and_infinite_trials_do_no_harm(tmp_path: Path) -> None:
    study = study_of(3)
    study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    study.tell(study.ask(), float("inf"))
    assert names(write_plots(study, tmp_path)) >= {"history", "slice"}


def test_they_are_drawn_without_what_optuna_would_import_beside(tmp_path: Path) -> None:
    code = f"""if True:
        import sys
        from pathlib import Path
        from sweeper.study.view.plots import write_plots
        from tests.study.view.test_plots import study_of
        assert write_plots(study_of(3), Path({str(tmp_path)!r}))
        assert not {{"matplotlib", "sklearn"}} & sys.modules.keys()
    """
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
