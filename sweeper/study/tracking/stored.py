"""What an MLflow store holds of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sweeper.folder import SETTLED
from sweeper.study.tracking.record import Trial
from sweeper.study.tracking.runs import ATTEMPT, FOLDER, RELAYED, RUNNING, STATE, Run, read_cursor


@dataclass
class Stored:
    """What the store holds of a run, as far as we need to know."""

    run_id: str
    artifact_uri: str
    status: str
    end_ms: int | None
    tags: dict[str, str]
    params: int
    metrics: frozenset[str] = frozenset()
    objective: float | None = None

    @classmethod
    def of(cls, run: Any) -> Stored:
        """Of a run as MLflow's client has it."""
        info, data = run.info, run.data
        return cls(
            info.run_id, info.artifact_uri, info.status, info.end_time, dict(data.tags), len(data.params),
            frozenset(data.metrics), data.metrics.get("objective"),
        )  # fmt: skip

    def relayed(self) -> dict[int, int]:
        """Events in the store, by attempt; none where the end is tagged but the status, set last, is not."""
        if self.status == RUNNING and self.tags.get(STATE) != RUNNING:
            return {}
        return read_cursor(self.tags.get(RELAYED, ""))

    def holds(self, run: Run) -> bool:
        """Whether there is nothing to bring; what is fresh shows in the cursor, which is a tag."""
        same_end = self.status == run.status and run.end_ms in (None, self.end_ms)
        return same_end and all(self.tags.get(key, "") == value for key, value in run.tags.items())

    def is_final(self, trial: Trial) -> bool:
        """Whether a trial is here with its last word, so that its folder need not be read."""
        return (
            self.status != RUNNING
            and self.tags.get(STATE) in SETTLED
            and self.tags.get(ATTEMPT) == str(trial.attempt)
            and self.tags.get(FOLDER) == str(trial.folder)
        )
