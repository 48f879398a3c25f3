"""Training and sweeping on a CUDA device: the same results as on the CPU, slots from GPUs, nothing left behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from sweeper.folder import read_attempt
from tests.conftest import ROOT, processes_with
from tests.study.test_failures import SWEEP, results, study

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not os.path.exists("/dev/nvidia-uvm"), reason="needs a CUDA device"),
]

TRAIN = ROOT / "train.py"
ALL = "regularizer=[dropout,weight_decay,label_smoothing,noise]"


def curve(folder: Path, attempt: int = 0) -> list[dict[str, float]]:
    return [event["values"] for event in read_attempt(folder, attempt).metrics if "val_loss" in event["values"]]


def single(run, folder: Path, *overrides: str):
    done = run(TRAIN, "tracking=null", f"hydra.run.dir={folder}", *overrides, timeout=200)
    assert done.code == 0, done
    return done


@pytest.mark.parametrize("model", ["linear", "mlp", "cnn"])
def test_a_gpu_trains_as_a_cpu_does(run, tmp_path, model):
    settings = (f"model={model}", "stage.epochs=3", "stage.test=true")
    single(run, tmp_path / "auto", *settings)
    single(run, tmp_path / "cpu", *settings, "stage.device=cpu")
    start = read_attempt(tmp_path / "auto", 0).start
    assert start["config"]["stage.device"] == "auto"
    for ours, theirs in zip(curve(tmp_path / "auto"), curve(tmp_path / "cpu"), strict=True):
        assert ours["train_loss"] == pytest.approx(theirs["train_loss"], rel=1e-2)
        assert ours["val_loss"] == pytest.approx(theirs["val_loss"], rel=1e-2)
    assert curve(tmp_path / "auto") != curve(tmp_path / "cpu")  # so that it was not the CPU twice


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_the_same_seed_gives_the_same_curve_and_a_resumed_run_that_of_a_whole_one(run, tmp_path, model):
    settings = (f"model={model}", ALL, "stage.checkpoint_every_s=0")
    single(run, tmp_path / "whole", *settings, "stage.epochs=4")
    single(run, tmp_path / "again", *settings, "stage.epochs=4")
    single(run, tmp_path / "parts", *settings, "stage.epochs=2")
    single(run, tmp_path / "parts", *settings, "stage.epochs=4")
    for name in ("again", "parts"):
        found = [metrics for attempt in range(1 + (name == "parts")) for metrics in curve(tmp_path / name, attempt)]
        for ours, whole in zip(found, curve(tmp_path / "whole"), strict=True):
            assert ours == pytest.approx(whole, rel=1e-5)


def test_a_run_begun_on_a_gpu_goes_on_without_one(run, tmp_path):
    settings = ("stage.checkpoint_every_s=0", ALL)
    single(run, tmp_path / "run", *settings, "stage.epochs=2")
    single(run, tmp_path / "run", *settings, "stage.epochs=4", "stage.device=cpu")
    single(run, tmp_path / "run", *settings, "stage.epochs=6", "stage.device=cuda")
    assert [len(curve(tmp_path / "run", attempt)) for attempt in range(3)] == [2, 2, 2]


@pytest.mark.parametrize("sharing", [1, 4])
def test_slots_are_shares_of_the_gpus(run, tmp_path, sharing):
    done = run(
        TRAIN, "-m", "tracking=null", "hydra.sweep.dir=s", "hydra.sweeper.n_trials=12", "stage.epochs=5",
        f"hydra.launcher.trials_per_gpu={sharing}", timeout=200,
    )  # fmt: skip
    assert done.code == 0, done
    assert results(tmp_path / "s")["counts"]["COMPLETE"] == 12
    spans = []
    for number in range(12):
        record = read_attempt(tmp_path / "s" / f"{number:04d}", 0)
        spans.append((record.start["time"], record.end.time))
    most = max(sum(a <= begun < b for a, b in spans) for begun, _ in spans)
    assert most <= sharing * torch.cuda.device_count() and (sharing == 1 or most > 1)
    assert processes_with(str(tmp_path)) == []


def test_a_gpu_out_of_memory_fails_its_trial_alone(run, tmp_path):
    done = run(
        "on_gpu.py", *SWEEP, "hydra/sweeper/sampler=grid", "mode=fits,too_big,killed,ok", "hydra.sweeper.n_trials=4"
    )
    assert done.code == 1, done
    assert [t.value for t in study(tmp_path / "s").trials] == [1.0, None, None, 1.0]
    big, killed = (f["reason"] for f in results(tmp_path / "s")["failed_trials"])
    assert big.startswith("out of memory: OutOfMemoryError: CUDA out of memory")
    assert killed == "killed by signal 9 (SIGKILL)"


def test_a_program_that_has_started_cuda_gets_spawned_trials_that_use_it(run, tmp_path):
    done = run("on_gpu.py", *SWEEP, "x=uniform(0,1)", "hydra.sweeper.n_trials=2", CUDA="started")
    assert done.code == 0 and "it has started CUDA" in done.err, done
    assert [t.value for t in study(tmp_path / "s").trials] == [1.0, 1.0]


def test_a_timed_out_trial_gives_its_memory_back(run, tmp_path):
    done = run("on_gpu.py", *SWEEP, "mode=hang", "hydra.sweeper.n_trials=1", "hydra.launcher.timeout_min=0.2")
    assert done.code == 1 and "exceeded hydra.launcher.timeout_min" in done.both, done
    assert processes_with(str(tmp_path)) == []  # a GPU's memory goes with its process


@pytest.mark.parametrize("setup", ["model=mlp", "model=cnn", "data=diabetes", ALL])
def test_the_checks_pass_on_a_gpu(run, tmp_path, setup):
    done = run(TRAIN, "stage=check", setup, "tracking=null", f"hydra.run.dir={tmp_path}/check", timeout=200)
    assert done.code == 0, done


def network() -> torch.nn.Module:
    blocks = (torch.nn.Linear(8, 64), torch.nn.BatchNorm1d(64), torch.nn.ReLU(), torch.nn.Dropout(0.2))
    return torch.nn.Sequential(*blocks, torch.nn.Linear(64, 3)).cuda()


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    inputs = torch.randn(512, 8, device="cuda")
    return inputs, (inputs @ torch.randn(8, 3, device="cuda")).argmax(1)


def test_a_healthy_program_on_a_gpu_passes(batch):
    from sweeper import check

    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    state = torch.cuda.get_rng_state()
    found = check(model, cross_entropy, batch, optimizer=optimizer, build=network, raises=False)
    assert found.ok, found.failures
    assert torch.equal(state, torch.cuda.get_rng_state())


def test_batches_of_a_cpu_go_to_the_model_s_device(batch):
    from sweeper import check

    inputs, targets = (part.cpu() for part in batch)
    loader = list(zip(inputs.split(128), targets.split(128), strict=True))
    model = network()
    found = check(model, cross_entropy, loader, optimizer=torch.optim.Adam(model.parameters(), lr=1e-3), raises=False)
    assert found.ok, found.failures


def test_kernels_that_add_in_no_fixed_order_are_named(batch):
    from sweeper import check

    class Scatters(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = torch.nn.Linear(8, 32, bias=False)
            self.head = torch.nn.Linear(32, 3)

        def forward(self, x):
            hidden = self.embed(x)
            where = torch.arange(hidden.numel(), device=x.device) % hidden.shape[1]
            mean = torch.zeros(hidden.shape[1], device=x.device).index_add(0, where, hidden.flatten()) / len(x)
            return self.head((hidden - mean).relu())

    model = Scatters().cuda()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    verdict = check(model, cross_entropy, batch, optimizer=optimizer, only=["same_seed"], raises=False)["same_seed"]
    assert verdict.state == "fail" and "not with torch.use_deterministic_algorithms(True)" in verdict.reason, verdict
