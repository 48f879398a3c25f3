"""Dataclasses of our option files' keys, for apps that build their config from the peers' structured configs.

The YAML files stay the one place of the defaults. (Hydra doesn't load modules whose name begins with ``_``.)
"""

from copy import deepcopy
from dataclasses import field, make_dataclass
from pathlib import Path
from typing import Any

import yaml

CONF = Path(__file__).parent / "conf" / "hydra"


def structured(name: str, option: str, module: str, **more: Any) -> type:
    """A dataclass ``name`` with the keys of the option file ``conf/hydra/<option>.yaml``, and ``more``."""
    keys = {**yaml.safe_load((CONF / f"{option}.yaml").read_text(encoding="utf-8")), **more}
    fields = [(key, Any, field(default_factory=lambda value=value: deepcopy(value))) for key, value in keys.items()]
    made = make_dataclass(name, fields)
    made.__module__ = module
    return made


def run_peers_own(folder: Path, names: dict[str, Any]) -> bool:
    """Where the peer is installed beside us, its module ``<folder>.py`` is what was asked for."""
    own = folder.with_suffix(".py")
    if own.exists():
        exec(compile(own.read_text(encoding="utf-8"), str(own), "exec"), names)
    return own.exists()
