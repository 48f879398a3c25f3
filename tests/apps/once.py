"""An app that only its first process can run up to Hydra; ``HOW`` is what stops the others."""

import os
import signal
import sys

import hydra

first = not os.path.exists("ran")
open("ran", "w").close()
if not first:
    print("on the way to Hydra")
    match os.environ["HOW"]:
        case "import":
            import nowhere  # noqa: F401
        case "exit":
            sys.exit(7)
        case "_exit":
            os._exit(7)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)


@hydra.main(version_base="1.3", config_path=None)
def main(cfg):
    return 1.0


if first or os.environ["HOW"] != "end":
    main()
