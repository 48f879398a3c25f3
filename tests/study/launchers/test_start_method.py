"""Trials that start in a fresh interpreter are what forked ones are, and start so where a fork would break."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import APPS
from tests.study.test_failures import SWEEP, results, study

FRESH = "each trial starts in a fresh interpreter, not as a fork of this one"


def files(folder: Path) -> dict[str, str]:
    """What trial 0 left, but for the places and times that differ by nature."""
    trial = folder / "s" / "0"
    names = ("output.0.log", ".hydra/config.yaml", ".hydra/hydra.yaml", ".hydra/overrides.yaml")
    return {n: (trial / n).read_text().replace(str(folder), "here").replace("spawn", "fork") for n in names}


@pytest.mark.long
@pytest.mark.parametrize("app", [["-m", "package.app"], ["package/app.py"], ["peer/sphere.py"]], ids=lambda a: a[-1])
def test_a_spawned_trial_is_what_a_forked_one_is(run, tmp_path, app):
    for method in ("fork", "spawn"):
        cwd = tmp_path / method
        shutil.copytree(APPS, cwd)
        if app == ["package/app.py"]:  # as a script
            text = (cwd / app[0]).read_text().replace("from .words", "from words")
            (cwd / app[0]).write_text(text.replace('__package__ == "package" and', ""))
        sweep = [a.replace("dir=s", f"dir={cwd}/s") for a in SWEEP]
        sweep += ["hydra.sweeper.n_trials=2", "x=uniform(0,1)", f"hydra.launcher.start_method={method}"]
        done = run(
            app[0] if app[0] == "-m" else cwd / app[0],
            *app[1:],
            *sweep,
            *([] if "peer" in app[0] else ["+shape=sphere"]),
            cwd=cwd,
        )
        assert done.code == 0, done
        assert (f"{FRESH}: hydra.launcher.start_method=spawn" in done.err) == (method == "spawn")
    assert files(tmp_path / "fork") == files(tmp_path / "spawn")


def test_an_app_with_a_thread_is_spawned(run, tmp_path):
    done = run("threaded.py", *SWEEP, "x=uniform(0,1)", "hydra.sweeper.n_trials=3", "hydra.sweep.dir=s/${now:%f}")
    assert done.code == 0, done
    assert f"{FRESH}: it runs other threads (heartbeat)" in done.err
    (folder,) = (tmp_path / "s").iterdir()  # the time is the sweep's, not each trial's
    assert results(folder)["counts"]["COMPLETE"] == 3
    assert (folder / "0" / "output.0.log").read_text() == "a thread of the trial's own\n"
    assert done.both.count("the sweep is over") == 1


TORCH = ("x=uniform(0,1)", "hydra.sweeper.n_trials=1", "hydra.launcher.threads=2", "hydra.launcher.timeout_min=0.5")


@pytest.mark.long
@pytest.mark.parametrize("used", ["nothing", "openmp"])
def test_openmp_threads_in_use_are_seen(run, used):
    done = run("with_torch.py", *SWEEP, *TORCH, TORCH=used)
    assert done.code == 0, done
    assert (f"{FRESH}: its OpenMP threads are in use" in done.err) == (used == "openmp")


@pytest.mark.gpu
@pytest.mark.skipif(not os.path.exists("/dev/nvidia-uvm"), reason="needs a CUDA device")
def test_cuda_in_use_is_seen(run):
    done = run("with_torch.py", *SWEEP, *TORCH, TORCH="cuda")
    assert done.code == 0 and f"{FRESH}: it has started CUDA" in done.err, done


@pytest.mark.long
@pytest.mark.parametrize(
    "how, reason",
    [
        ("import", "the program failed before it reached Hydra: ModuleNotFoundError: No module named 'nowhere'"),
        ("exit", "the program called sys.exit(7) before it reached Hydra"),
        ("end", "the program ended before it reached Hydra"),
        ("_exit", "exited with code 7"),
        ("kill", "killed by signal 9 (SIGKILL)"),
    ],
)
def test_a_program_that_does_not_get_to_hydra_fails_the_trial(run, tmp_path, how, reason):
    done = run("once.py", *SWEEP, "hydra.launcher.start_method=spawn", "hydra.sweeper.n_trials=1", "+x=1,2", HOW=how)
    assert done.code == 1, done
    (failed,) = results(tmp_path / "s")["failed_trials"]
    assert failed["reason"] == reason and "Traceback" not in done.err
    assert failed["log_tail"].startswith("on the way to Hydra")


def test_a_worker_goes_to_its_own_sweep_and_has_its_environment_from_the_start(run, tmp_path):
    sweep = (*SWEEP, "hydra.launcher.start_method=spawn", "hydra.launcher.threads=3", "x=1,2,3,4")
    sweep = (*sweep, "hydra/sweeper/sampler=grid", "hydra.sweeper.n_trials=4")
    done = run("two_sweeps.py", *sweep, CUDA_VISIBLE_DEVICES="5,7")
    assert done.code == 0, done
    assert [t.values for t in study(tmp_path / "first").trials] == [[1.0]] * 4
    values = {tuple(t.values) for t in study(tmp_path / "second").trials}
    assert values == {(3.0, 5.0), (3.0, 7.0)}  # one GPU a slot


@pytest.mark.parametrize("method", ["forkserver", "1"])
def test_another_start_method_is_refused(run, tmp_path, method):
    done = run("toy.py", *SWEEP, f"hydra.launcher.start_method={method}", "x=uniform(0,1)")
    assert done.code == 1 and "hydra.launcher.start_method must be fork, spawn or null, got" in done.err
    assert not os.path.exists(tmp_path / "s")


def test_an_app_may_sweep_in_a_thread(run, tmp_path):
    app = (APPS / "toy.py").read_text().rpartition("    main()")[0]
    app += "    import threading\n    thread = threading.Thread(target=main)\n    thread.start(), thread.join()\n"
    (tmp_path / "app.py").write_text(app)
    done = run(tmp_path / "app.py", *SWEEP, "hydra.sweep.dir=s", "x=1,2")
    assert done.code == 0 and FRESH in done.err, done
    assert [t.state.name for t in study(tmp_path / "s").trials] == ["COMPLETE"] * 2
