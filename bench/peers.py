"""The peers' own environment, `.venv-peers`, as `requirements-peers.txt` pins it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

from bench.command import PEER_PYTHON, ROOT

PINS = Path(__file__).with_name("requirements-peers.txt")
RAY_PINS = PINS.with_name("requirements-peers-ray.txt")
TORCH = "torch=="


def install(*, ray: bool = False) -> None:
    """Make the environment unless it is there with the same pins; torch first, as its CPU build."""
    wanted = [PINS, RAY_PINS] if ray else [PINS]
    for pins in wanted:
        stamp = ROOT / ".venv-peers" / f"{pins.stem}.{hashlib.sha256(pins.read_bytes()).hexdigest()[:12]}"
        if stamp.exists():
            continue
        print(f"installing {pins.name} into .venv-peers, once", file=sys.stderr)
        if not Path(PEER_PYTHON).exists():
            venv.create(ROOT / ".venv-peers", with_pip=True)
        torch = [line for line in pins.read_text().splitlines() if line.startswith(TORCH)]
        for what in (torch, ["-r", str(pins)]):
            if what:
                subprocess.run([PEER_PYTHON, "-m", "pip", "install", "-qq", *what], check=True)
        stamp.touch()


def versions(python: str, names: list[str]) -> dict[str, str]:
    """Installed versions of those of ``names`` that are there."""
    code = (
        "import sys; from importlib.metadata import distributions\n"
        "for d in distributions(): print(d.name.lower(), d.version)"
    )
    output = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout
    found = dict(line.split() for line in output.splitlines())
    return {name: found[name] for name in names if name in found}
