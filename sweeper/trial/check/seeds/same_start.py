"""The same seed, the same first weights."""

from __future__ import annotations

import torch
from torch import nn

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.seeds import seed_everything
from sweeper.trial.verdict import Verdict


class SameStart(Check):
    """Weights drawn from a generator that nobody seeds differ from run to run."""

    name, rank, tip = "same_start", 20, 8
    hypothesis = "Building the model twice with the same seed gives the same weights."
    advice = "draw initial weights from torch's global generator, or from one with a seed"

    def measure(self, subject: Subject) -> Verdict:
        """Build it twice after seeding; the first tensor that differs."""
        if subject.rebuild is None:
            raise NotApplicable("no function that builds the model was given")
        states = []
        for _ in range(2):
            seed_everything(subject.seed, "build")
            built = subject.rebuild()
            model = built if isinstance(built, nn.Module) else next(p for p in built if isinstance(p, nn.Module))
            states.append(model.state_dict())
        for name, tensor in states[0].items():
            if not torch.equal(tensor, states[1][name]):
                gap = float((tensor.double() - states[1][name].double()).abs().max())
                return self.failed(f"{name} differs by {gap:.3g} between two builds", expected="no difference")
        return self.passed(f"{len(states[0])} tensors the same to the bit", expected="no difference")
