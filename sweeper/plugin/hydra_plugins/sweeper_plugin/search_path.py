"""Puts this package's config files behind the app's own on Hydra's search path."""

from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin


class SweeperSearchPath(SearchPathPlugin):
    """``hydra/sweeper=optuna`` and ``hydra/launcher=local`` for every app in this environment."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        search_path.append(provider="sweeper", path=f"file://{Path(__file__).parent / 'conf'}")
