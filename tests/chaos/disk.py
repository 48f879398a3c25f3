"""A small disk of its own, which can be filled."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path


class Disk:
    """A tmpfs at ``path`` where we may mount one, else a folder of the disk that is there, which is never filled."""

    def __init__(self, path: Path, size_mib: int = 2048) -> None:
        self.path = path
        path.mkdir()
        self.own = os.geteuid() == 0 and _succeeds("mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "chaos", path)

    def fill(self) -> None:
        """Take the last free byte."""
        with open(self.path / "filler", "ab") as file:
            while (free := os.fstatvfs(file.fileno())).f_bavail:
                with suppress(OSError):  # someone else has taken some of it meanwhile
                    size = os.fstat(file.fileno()).st_size + free.f_bavail * free.f_frsize
                    os.posix_fallocate(file.fileno(), 0, size)

    def free(self) -> None:
        (self.path / "filler").unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount, which a process that still has a file open there prevents."""
        if self.own:
            subprocess.run(["umount", self.path], check=True)


def _succeeds(*command: str | Path) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
