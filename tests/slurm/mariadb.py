"""A throwaway MariaDB server in a folder: what starts it, and what asks it."""

from __future__ import annotations

import subprocess
from pathlib import Path


def install(data: Path, user: str) -> None:
    """Make the folder its database, once."""
    if not (data / "mysql").exists():
        made = ["mariadb-install-db", "--no-defaults", f"--user={user}", f"--datadir={data}", "--skip-test-db"]
        subprocess.run(made, capture_output=True, check=True)


def server(data: Path, port: int, user: str) -> list[str]:
    return [
        "mariadbd", "--no-defaults", f"--user={user}", f"--datadir={data}", f"--socket={data}/socket",
        f"--port={port}", "--bind-address=127.0.0.1", "--innodb-buffer-pool-size=64M",
        "--innodb-lock-wait-timeout=900",
    ]  # fmt: skip


def client(data: Path, statements: str) -> list[str]:
    return ["mariadb", "--no-defaults", f"--socket={data}/socket", "-u", "root", "-e", statements]
