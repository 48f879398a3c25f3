"""``hydra/sweeper=optuna``: registration only; the work is in ``sweeper.study`` and imported when it starts."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.plugin import Plugin
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, flag_override

from . import grammar as grammar

DEFAULTS = Path(__file__).parent / "conf" / "hydra" / "sweeper" / "optuna_defaults.yaml"


class OptunaSweeper(Sweeper):
    """Hydra's door to ``sweeper.study.sweep``; the keys are those of ``optuna_defaults.yaml``."""

    _recursive_ = False  # as Hydra's key: its parts, such as the sampler, it makes by itself

    def __init__(self, **keys: Any) -> None:
        self.keys = keys

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from sweeper.configs import spoken_of
        from sweeper.study.settings import read_settings
        from sweeper.trial.recorded import Recorded

        # as in our option, for one of the app's own that lacks it
        tracking = OmegaConf.select(config, "tracking", default="mlflow")
        params = OmegaConf.select(config, "hydra.sweeper.params")  # as written: Hydra has resolved what it gave
        with spoken_of(config):
            self.settings = read_settings({"tracking": tracking, **self.keys, "params": params}, DEFAULTS)
        self.config = config
        self.hydra_context = hydra_context
        self.task = Recorded(task_function, objectives=len(self.settings.direction))
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=self.task, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        try:
            from sweeper.study.start import start

            return start(
                settings=self.settings,
                config=self.config,
                context=self.hydra_context,
                task=self.task,
                launcher=self.launcher,
                arguments=arguments,
            )
        except KeyboardInterrupt:  # before its trials or after them
            print("sweeper: interrupted", file=sys.stderr)
            raise SystemExit(130) from None


class _AtPeersPath(OptunaSweeper):
    """For configs that hard-code hydra-optuna-sweeper's ``_target_``; that package is not needed."""


PEER = "hydra_plugins.hydra_optuna_sweeper"
_AtPeersPath.__name__ = _AtPeersPath.__qualname__ = "OptunaSweeper"
_AtPeersPath.__module__ = f"{PEER}.optuna_sweeper"

_spec = importlib.util.find_spec(PEER)
if _spec is not None and _spec.origin is not None:  # not only what we have there
    print(
        "sweeper: hydra-optuna-sweeper is installed too and both serve hydra/sweeper=optuna; "
        "pip uninstall hydra-optuna-sweeper",
        file=sys.stderr,
    )


def extend_instantiation() -> None:
    """Let ``${hydra:…}`` speak of the sweep in what a plugin is made of, as in Hydra 1.4; and leave parts to us.

    Ours says by ``_recursive_: false`` that Hydra must not make the sampler: it knows neither our defaults nor what
    Optuna has removed. An option of an app's own, written for the peer, doesn't.
    """
    from sweeper.configs import spoken_of

    plain = Plugins._instantiate
    if getattr(plain, "leaves_parts", False):
        return

    def _instantiate(self: Plugins, config: DictConfig) -> Plugin:
        made = self.class_name_to_class.get(str(config.get("_target_")))
        if not getattr(made, "_recursive_", True):
            with flag_override(config, ["struct", "readonly"], False):
                config["_recursive_"] = False
        with spoken_of(config._get_root()):
            return plain(self, config)

    _instantiate.leaves_parts = True  # type: ignore[attr-defined]
    Plugins._instantiate = _instantiate  # type: ignore[method-assign]


extend_instantiation()
