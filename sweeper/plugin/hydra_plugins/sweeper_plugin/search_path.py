"""Puts this package's config files behind the app's own on Hydra's search path."""

from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.object_type import ObjectType
from hydra.plugins.search_path_plugin import SearchPathPlugin

CONF = Path(__file__).parent / "conf"


class SweeperSearchPath(SearchPathPlugin):
    """``hydra/sweeper=optuna`` and ``hydra/launcher=local`` for every app in this environment."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        options = (option.relative_to(CONF).as_posix() for option in CONF.rglob("*.yaml"))
        store = ConfigStore.instance()
        if any(store.get_type(option) is ObjectType.CONFIG for option in options):
            # Hydra has it last, as schemas of files by its names: an option of the app's own comes before ours
            search_path.append(provider="schema", path="structured://")
        search_path.append(provider="sweeper", path=f"file://{CONF}")
