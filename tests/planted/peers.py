"""The peers on the same programs, each as its README says.

What a peer says of a bug counts as a catch, failure or warning, whatever its name, if it doesn't say the same of the
default programs without a bug.
"""

from __future__ import annotations

import contextlib
import io
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import plants
from plants import Plant, subject

from sweeper.trial.check.outputs import CLASSES

FOLDER = Path(__file__).parents[2] / ".venv-peers" / "planted"  # `make planted` installs them there
DEFAULTS = (
    "config: default (digits, MLP, Adam)",
    "config: diabetes (regression), MLP",
    "log-softmax and negative log-likelihood",
)
LIMIT_S = 10  # neural_net_checklist tries up to 65,536 steps before it says that a batch can't be learnt


class OutOfTime(BaseException):
    """The limit is over."""


def torchtest2(plant: Plant, seed: int) -> set[str]:
    """Its one call with all that it takes; a warning counts."""
    from torchtest2 import check_model

    s = subject(plant, seed)
    report = check_model(s.model, s.batch.inputs, s.batch.targets, loss_fn=s.loss, optimizer=s.optimizer)
    return {result.name for result in report.results if result.status.name in ("FAIL", "WARN")}


def neural_net_checklist(plant: Plant, seed: int) -> set[str]:
    """Its call for classification, or for causal language models; it knows no other task and has its own loss."""
    from neural_net_checklist import torch_diagnostics as peer

    s = subject(plant, seed)
    if s.kind.name != CLASSES:
        return set()
    batch = (s.batch.inputs, s.batch.targets)
    try:
        if s.batch.targets.ndim == 2:
            peer.assert_all_for_causal_llm_cross_entropy_loss(
                lambda: subject(plant, seed).model, batch, embedding_layer_name="embed", vocab_size=s.kind.count,
                device="cpu",
            )  # fmt: skip
        else:
            peer.assert_all_for_classification_cross_entropy_loss(
                lambda: subject(plant, seed).model, batch, num_classes=s.kind.count, device="cpu"
            )
    except AssertionError as error:
        return {traceback.extract_tb(error.__traceback__)[-1].name}
    return set()


def torch_audit(plant: Plant, seed: int) -> set[str]:
    """Its `autopatch` around twenty steps of the program's own training; a warning counts."""
    from torch_audit import autopatch

    s = subject(plant, seed)
    auditor = autopatch(s.model, optimizer=s.optimizer, every_n_steps=1, reporters=[], run_static=True, run_init=True)
    try:
        for _ in range(20):
            s.run_step(s.batch)
    finally:
        result = auditor.finish(report=False)
        auditor.unpatch()
    return {finding.rule_id for finding in result.findings if finding.severity.value != "INFO"}


PEERS: dict[str, Callable[[Plant, int], set[str]]] = {
    "torchtest2": torchtest2, "neural_net_checklist": neural_net_checklist, "torch-audit": torch_audit,
}  # fmt: skip


def caught_by(plant: Plant, seed: int = 0) -> dict[str, bool]:
    """Whether each peer says more of it than of the default programs."""
    return {name: bool(_said(name, plant, seed) - _said_of_healthy(name)) for name in PEERS}


@lru_cache
def _said_of_healthy(name: str) -> set[str]:
    healthy = [plant for plant in plants.HEALTHY if plant.kind in DEFAULTS]
    return set[str]().union(*(_said(name, plant, 0) for plant in healthy))


def _said(name: str, plant: Plant, seed: int) -> set[str]:
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), _limit():
        try:
            return PEERS[name](plant, seed)
        except ImportError:
            raise
        except OutOfTime:  # no word in the time, of healthy programs neither
            return set()
        except Exception as error:  # the program does not run: as good as a word
            return {type(error).__name__}


@contextlib.contextmanager
def _limit() -> Iterator[None]:
    def over(number: int, frame: object) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, LIMIT_S)  # of its own time, whatever else the machine does
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
