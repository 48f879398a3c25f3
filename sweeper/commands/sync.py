"""``sync``: bring a folder's records to MLflow."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from sweeper.study.view.terminal import result


def add(commands: Any) -> None:
    command = commands.add_parser("sync", help="bring a folder's records to MLflow", description=run.__doc__)
    command.add_argument("folder", type=Path, help="multirun/<study>, or the output folder of a single run")
    command.add_argument("--tracking-uri", help="default: the study's, the environment's or mlflow.db")
    command.add_argument("--experiment", help="default: the study's, the environment's or the app's")
    command.add_argument("--give-up-s", type=float, default=30.0, help="how long to try a store that fails")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Bring a study's or a run's folder to MLflow; what is there already stays as it is."""
    from sweeper.study.tracking import relay
    from sweeper.study.tracking.record import require_study
    from sweeper.study.tracking.sqlite_store import import_lean

    uri = args.tracking_uri
    import_lean(uri, require_study(args.folder, lone=True).uri, os.environ.get("MLFLOW_TRACKING_URI"))
    last: dict[str, Any] = {}

    def say(line: dict[str, Any]) -> None:
        last.update(line)
        if "error" in line:
            print(line["error"], file=sys.stderr)

    code = relay.run(args.folder, uri, args.experiment, say, None, args.give_up_s)
    if "runs" in last:
        result(f"{last['runs']} of {last['of']} runs are in MLflow with their end; compare: {last['address']}")
    return code
