"""Labels that a simple model doubts (recipe tip 3), and examples that the model gets wrong (tip 4)."""

from __future__ import annotations

import numpy as np

from sweeper.trial.inspect.inspected import Inspected
from sweeper.trial.inspect.judged.words import SHOWN, colon, judged, short, skip
from sweeper.trial.inspect.thumbnails import gallery
from sweeper.trial.pictures import histogram, table
from sweeper.trial.verdict import Verdict

LABEL_ERRORS = 0.01  # share of likely label errors that a simple model's own mistakes explain


def labels_likely(found: Inspected) -> Verdict:
    """A simple model that has not seen an example agrees with its label (tip 3)."""
    if found.guesses is None:
        return skip("labels_likely", 3, "needs 50 examples with usable targets that differ")
    guesses = found.guesses
    if not guesses.skilled:
        words = f"a simple model guesses them hardly better ({guesses.skill:.2f}) than chance ({guesses.chance:.2f})"
        return skip("labels_likely", 3, words)
    order = np.argsort(-guesses.score, kind="stable")
    marked = order[guesses.wrong[order]]
    share = len(marked) / max(len(order), 1)
    likely = guesses.guess if found.examples.classes is None else np.array(found.examples.classes)[guesses.guess]
    labels = found.labels()
    first = ", ".join(
        f"{found.examples.name_of(i)} ({short(labels[i])}, likely {short(likely[i])})" for i in marked[:4]
    )
    skill = f"R² {guesses.skill:.2f}" if found.examples.classes is None else f"accuracy {guesses.skill:.3f}"
    captions = [f"{short(labels[i])} → {short(likely[i])}" for i in marked[: 2 * SHOWN]]
    return judged(
        "labels_likely", 3, share <= LABEL_ERRORS,
        f"{len(marked)} of {len(order)} labels ({share:.2%}) are unlikely to a simple model ({skill} on examples it "
        f"has not seen){colon(first, len(marked), 4)}", expected=f"at most {LABEL_ERRORS:.0%}",
        advice="look at the most suspicious: inspect.sort=-label_error_score; correct them in the data",
        hypothesis="labels are right", measured={"share": share, "skill": guesses.skill},
        pictures=gallery(found.examples, marked[: 2 * SHOWN], captions, "the most suspicious labels, given → likely"),
    )  # fmt: skip


def losses_even(found: Inspected) -> Verdict:
    """The model's worst examples (tip 4)."""
    if found.loss is None or found.prediction is None:
        return skip("worst_predictions", 4, "no model: inspect.run=<trial folder> gives one")
    known = np.flatnonzero(np.isfinite(found.loss))
    order = known[np.argsort(-found.loss[known], kind="stable")]
    labels = found.labels()
    worst = order[: 2 * SHOWN]
    top = max(1, len(order) // 100)
    share = float(found.loss[order[:top]].sum() / max(found.loss[known].sum(), 1e-12))
    captions = [f"{short(labels[i])}, said {short(found.prediction[i])}, {found.loss[i]:.2g}" for i in worst]
    rows = [
        [found.examples.name_of(i), short(labels[i]), short(found.prediction[i]), f"{found.loss[i]:.3g}"] for i in worst
    ]
    names = [found.examples.name_of(i) for i in worst]
    listed = table(["example", "label", "prediction", "loss"], rows, "the worst examples")
    by_loss = histogram(found.loss[known], "losses", x="loss")
    likely = found.guesses is not None and found.guesses.wrong[order[:top]].mean() > 0.3
    return judged(
        "worst_predictions", 4, not likely, f"the worst 1 % ({top}) have {share:.0%} of the loss of {len(known)} "
        f"examples of train and validation; worst: {', '.join(names[:4])}",
        expected="hard examples, not wrong labels",
        advice="many of the worst have labels that a simple model doubts too: look at them first, inspect.sort=-loss",
        hypothesis="what the model gets wrong is hard, not mislabelled", measured={"share_of_worst": share},
        pictures=(*gallery(found.examples, worst, captions, "the worst examples"), listed, by_loss),
    )  # fmt: skip
