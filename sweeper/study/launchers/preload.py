"""What a nursery imports, so that its trials find it imported."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from contextlib import suppress
from typing import Any

from sweeper.study.launchers.huge_pages import collapse

OPTIMIZERS_IMPORT = "torch._dynamo"  # what the first optimizer of a process imports: 0.8 s


def load(preload: list[str], *, eager: bool, forks_often: bool) -> None:
    """Import each module (before a colon), so that no trial pays for it; prepare for a fork a trial."""
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # asking for CUDA must not start it here
    gc.disable()  # importing makes no garbage to speak of: torch's takes 7 % less
    for name in preload:
        try:
            importlib.import_module(name.partition(":")[0])
        except Exception as error:  # the trial meets it again, with its own traceback and record
            print(f"sweeper: preload {name}: {type(error).__name__}: {error}", file=sys.stderr)
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
        if eager:
            load_for_optimizers()
    gc.enable()
    if eager and forks_often:
        with suppress(OSError):
            collapse()


def load_for_optimizers() -> None:
    """Import what torch imports with the first optimizer of a process."""
    importlib.import_module(OPTIMIZERS_IMPORT)
    with importlib.import_module("torch.autograd.profiler").record_function("step"):  # the first imports more
        pass
