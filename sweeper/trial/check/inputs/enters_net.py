"""The tensors one line before the forward pass, decoded."""

from __future__ import annotations

from sweeper.trial.check.batches import main, tensors
from sweeper.trial.check.check import Check
from sweeper.trial.check.subject import Subject
from sweeper.trial.pictures import heatmap, montage, table
from sweeper.trial.verdict import Verdict

SHOWN = 24


class EntersNet(Check):
    """A picture for a person: the only place where data, labels and preprocessing are seen together."""

    name, rank, tip = "enters_net", 70, 17
    hypothesis = "What enters the network is what you think it is; look."
    advice = "compare each picture with its label"

    def measure(self, subject: Subject) -> Verdict:
        """Images as a montage with their labels, other inputs as a heat map of examples by features."""
        values = main(subject.batch.inputs).detach().float().cpu()
        targets = subject.batch.targets.cpu()
        words = "; ".join(
            f"{tuple(t.shape)} {str(t.dtype).removeprefix('torch.')}" for t in tensors(subject.batch.inputs)
        )
        if values.ndim == 4 and values.shape[1] in (1, 3):
            labels = [_word(subject, t) for t in targets[:SHOWN]]
            picture = montage(values[: len(labels)].numpy(), labels, "The batch as it enters, each with its label")
        else:
            picture = heatmap(values[:64].reshape(min(len(values), 64), -1)[:, :256].numpy(),
                              "The batch as it enters: a row an example, a column a feature")  # fmt: skip
        rows = [[f"{v:.4g}" for v in (values.mean(), values.std(), values.min(), values.max())]]
        return self.passed(
            f"inputs {words}, targets {tuple(targets.shape)} {str(targets.dtype).removeprefix('torch.')}",
            expected="what you think it is",
            pictures=(picture, table(["mean", "deviation", "least", "most"], rows, "Statistics of the batch")),
        )


def _word(subject: Subject, target: object) -> str:
    number = getattr(target, "numel", lambda: 2)()
    if number != 1:
        return "…"
    value = float(target)  # type: ignore[arg-type]
    if subject.classes and value == int(value) and 0 <= int(value) < len(subject.classes):
        return subject.classes[int(value)]
    return f"{value:g}"
