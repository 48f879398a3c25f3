"""A wall clock for the study's processes alone, which can be stepped while they run; the machine's own stays."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path


class Clock:
    def __init__(self, folder: Path) -> None:
        self._offset = folder / "clock"
        self.step(0)
        self._library = folder / "clock.so"
        compiler = shutil.which("cc")
        self.own = compiler is not None
        if compiler:
            source = Path(__file__).with_name("clock.c")
            subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", self._library, source], check=True)

    def step(self, offset_s: int) -> None:
        """Every process under this clock is so many seconds off from now on."""
        fd = os.open(self._offset, os.O_WRONLY | os.O_CREAT, 0o644)  # mapped there: written in place, at once
        os.pwrite(fd, struct.pack("q", offset_s), 0)
        os.close(fd)

    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "CHAOS_CLOCK": str(self._offset)} if self.own else {}
