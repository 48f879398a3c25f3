"""hydra-submitit-launcher's structured configs, for apps that import them; that package is not needed.

A package, not a module: uninstalling the peer removes its ``config.py`` and leaves this.
"""

from pathlib import Path

from hydra_plugins.sweeper_plugin._structured import run_peers_own, structured

if not run_peers_own(Path(__file__).parent, globals()):
    BaseQueueConf = structured("BaseQueueConf", "launcher/submitit_local", __name__)
    LocalQueueConf = structured("LocalQueueConf", "launcher/submitit_local", __name__)
    SlurmQueueConf = structured("SlurmQueueConf", "launcher/slurm_defaults", __name__)
