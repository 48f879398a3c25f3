"""``collect``: finish the bookkeeping of a study whose orchestrator is gone."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    command = commands.add_parser("collect", help="tell what has ended, submit what waits", description=run.__doc__)
    command.add_argument("folder", type=Path, help="multirun/<study>")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Tell Optuna and MLflow what has ended, and submit what a cap on jobs held back; jobs that run are left alone."""
    from sweeper.study.again import COLLECT, run_again

    return run_again(args.folder, COLLECT)
