"""hydra-submitit-launcher's launchers, for apps that derive one of their own from them; that package is not needed."""

from pathlib import Path

from hydra_plugins.sweeper_plugin._structured import run_peers_own

if not run_peers_own(Path(__file__).parent, globals()):
    from hydra_plugins.sweeper_plugin.slurm_launcher import _LocalAtPeersPath as LocalLauncher  # noqa: F401
    from hydra_plugins.sweeper_plugin.slurm_launcher import _SlurmAtPeersPath as SlurmLauncher  # noqa: F401
