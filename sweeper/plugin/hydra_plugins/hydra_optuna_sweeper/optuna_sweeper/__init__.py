"""hydra-optuna-sweeper's sweeper, for apps that derive one of their own from it; that package is not needed."""

from pathlib import Path

from hydra_plugins.sweeper_plugin._structured import run_peers_own

if not run_peers_own(Path(__file__).parent, globals()):
    from hydra_plugins.sweeper_plugin.optuna_sweeper import _AtPeersPath as OptunaSweeper  # noqa: F401
