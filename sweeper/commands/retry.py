"""``retry``: rerun what failed or is missing, with the same parameters."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    command = commands.add_parser("retry", help="rerun only the failed and the missing", description=run.__doc__)
    command.add_argument("folder", type=Path, help="multirun/<study>")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Rerun failed trials as new ones with the same parameters, and missing ones, with the code as it is now."""
    from sweeper.study.again import RETRY, run_again

    return run_again(args.folder, RETRY)
