"""Runs one job through Hydra's ``run_job`` and through ours; prints as JSON what each gave.

Arguments: a folder, then overrides.
"""

import json
import os
import shutil
import sys
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from hydra import version
from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import run_job, setup_globals
from hydra.types import HydraContext, RunMode
from omegaconf import MISSING, DictConfig, OmegaConf

from sweeper.study.launchers.run_job import run_job as our_run_job


class Colour(Enum):
    RED = 1


@dataclass
class App:
    lr: float = 0.1
    name: str = "a 'quoted' ü: 1e3"
    number_like: str = "1e3"
    empty: str = ""
    lines: str = "one\ntwo\n"
    long: str = "word " * 40
    nothing: int | None = None
    missing: int = MISSING
    colour: Colour = Colour.RED
    sizes: list[int] = field(default_factory=lambda: [1, 2])
    twice: float = "${times:${lr},2}"  # type: ignore[assignment]
    folder: str = "${hydra:runtime.output_dir}"
    nested: dict[str, Any] = field(default_factory=lambda: {"a": {"b": [{"c": None}, []]}, "e": {}})


def main(place: Path, *more: str) -> None:
    setup_globals()
    version.setbase("1.3")
    OmegaConf.register_new_resolver("times", lambda a, b: a * b)
    ConfigStore.instance().store("config", App)
    loader = ConfigLoaderImpl(create_config_search_path(None))
    told: dict[str, Any] = {}
    for way in ("hydra", "ours"):
        overrides = [f"hydra.sweep.dir='{place}'", "hydra.sweep.subdir='x_${name_of:${lr}}'", "lr=0.5"]
        overrides += [
            "hydra.job.num=3",
            "hydra.job.id=3",
            "+hydra.job.env_set.SEEN='n${hydra.job.num}'",
            "hydra.job.name=app",
        ]
        overrides += more
        OmegaConf.register_new_resolver("name_of", lambda lr: f"lr{lr}", replace=True)
        config = loader.load_configuration("config", overrides, RunMode.MULTIRUN)
        context = HydraContext(config_loader=loader, callbacks=Callbacks(config))
        seen: dict[str, Any] = {}

        def task(cfg: DictConfig, seen: dict[str, Any] = seen) -> float:
            seen["cfg"] = str(OmegaConf.to_container(cfg, resolve=False))
            seen["flags"] = [OmegaConf.is_struct(cfg), OmegaConf.is_readonly(cfg), OmegaConf.get_type(cfg).__name__]
            seen["resolved"] = [cfg.twice, cfg.folder, cfg.sizes]
            seen["hydra"] = OmegaConf.to_yaml(HydraConfig.get())
            seen["through"] = HydraConfig.get().job.env_set["SEEN"]
            seen["frozen"] = OmegaConf.is_readonly(HydraConfig.get())
            seen["env"], seen["cwd"] = os.environ["SEEN"], os.getcwd()
            cfg.lr = 7.0
            if cfg.name == "raise":
                raise ValueError("as asked")
            return cfg.lr * 2

        before = os.getcwd()
        if way == "hydra":
            ret = run_job(task, config, "hydra.sweep.dir", "hydra.sweep.subdir", context)
        else:
            ret = our_run_job(context, task, config, place / "x_lr0.5")
        os.chdir(before)
        seen["ret"] = [
            ret.overrides,
            str(ret.cfg),
            ret.working_dir,
            ret.task_name,
            ret.status.name,
            repr(ret._return_value),
        ]
        seen["ret.hydra"] = OmegaConf.to_yaml(ret.hydra_cfg)
        files = sorted(path for path in place.rglob("*") if path.is_file())
        seen["files"] = {str(path.relative_to(place)): path.read_text() for path in files if path.suffix != ".log"}
        seen["names"] = [str(path.relative_to(place)) for path in files]
        shutil.rmtree(place)
        told[way] = seen
    print(json.dumps(told, default=str))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
