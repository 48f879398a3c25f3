"""``python -m sweeper``: what is done to a study from outside it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from sweeper.commands import cancel, collect, retry, status, sync
from sweeper.errors import ConfigError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; 2 and one line on stderr for a mistake of the person's."""
    parser = argparse.ArgumentParser(prog="python -m sweeper", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (status, collect, cancel, retry, sync):
        command.add(commands)
    args = parser.parse_args(argv)
    try:
        return int(args.run(args))
    except ConfigError as error:
        print(f"python -m sweeper: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
