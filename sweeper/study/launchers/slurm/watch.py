"""One call of ``squeue`` a poll: often while jobs come and go, never so often that it is a burden."""

from __future__ import annotations

import time

from sweeper.study.launchers.slurm import queue
from sweeper.study.launchers.slurm.queue import Queue, SlurmAway
from sweeper.study.view.terminal import say

POLL_S = (1.0, 10.0)  # between calls: while jobs come and go, when nothing changes
AWAY_S = 5.0  # between calls that SLURM does not answer


class Watch:
    """What SLURM says of the jobs of this user; ``away`` while it says nothing."""

    def __init__(self) -> None:
        self.away = False
        self._every_s = POLL_S[0]
        self._at, self._took_s = 0.0, 0.0  # the last call's end, and how long it took

    @property
    def looked(self) -> bool:
        """Whether SLURM has been asked at all."""
        return self._at > 0

    def ask(self, *, wait: bool = False) -> Queue:
        """Ask now; SlurmAway if there is no answer and we do not ``wait`` for it."""
        while True:
            try:
                answer = queue.look()
                if self.away:
                    say("SLURM answers again")
                self.away = False
                return answer
            except SlurmAway as away:
                if not self.away:
                    say(f"SLURM does not answer ({str(away)[:200]}); jobs run on, waiting for it")
                self.away = True
                if not wait:
                    raise
                time.sleep(AWAY_S)

    def look(self, older_than_s: float | None = None) -> Queue | None:
        """Ask if it is time, or if the last answer is older than this; None if not, or without an answer."""
        began = time.monotonic()
        since_s = self._every_s if older_than_s is None or self.away else older_than_s
        if began - self._at < since_s:
            return None
        try:
            answer = self.ask()
        except SlurmAway:
            self._at, self._every_s = time.monotonic(), AWAY_S
            return None
        self._at = time.monotonic()
        self._took_s = self._at - began
        return answer

    def pace(self, *, changed: bool) -> None:
        """Ask soon again after a change, else ever later; busy with it for a tenth of the time at the most."""
        soonest, latest = (max(s, 10 * self._took_s) for s in POLL_S)
        self._every_s = soonest if changed else min(self._every_s * 1.3, latest)
