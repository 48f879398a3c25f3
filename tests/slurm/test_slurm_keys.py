"""Each key of hydra-submitit-launcher becomes what submitit's own executor makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import submitit
from omegaconf import OmegaConf

from sweeper.study.launchers.slurm.settings import read_slurm_settings, sbatch_script
from tests.conftest import ROOT

DEFAULTS = ROOT / "sweeper/plugin/hydra_plugins/sweeper_plugin/conf/hydra/launcher/slurm_defaults.yaml"
# what the peer hands to submitit's AutoExecutor by that name; any other as slurm_…
SHARED = {
    "timeout_min",
    "cpus_per_task",
    "gpus_per_node",
    "tasks_per_node",
    "mem_gb",
    "nodes",
    "name",
    "stderr_to_stdout",
}
OURS = ("#SBATCH --error", "#SBATCH --output", "#SBATCH --requeue", "#SBATCH --array")  # said and tested elsewhere


def lines(script: str) -> set[str]:
    """What a script asks of sbatch, and what it runs before its command."""
    head = script.partition("\n# command\n")[0].splitlines()
    return {line for line in head if line and not line.startswith(OURS)}


@pytest.mark.filterwarnings("ignore:.cpus_per_gpu. requires")  # submitit's opinion, not SLURM's
@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"qos": "high", "account": "lab", "comment": "of the study", "constraint": "a100|h100", "exclude": "n[3-5]"},
        {"mem_per_cpu": "2G", "cpus_per_task": 3, "partition": "gpu", "name": "mine", "timeout_min": 90},
        {"mem_per_gpu": "8G", "gpus_per_task": 2, "cpus_per_gpu": 4, "nodes": 2, "tasks_per_node": 2},
        {"gpus_per_node": 4, "tasks_per_node": 4, "cpus_per_gpu": 18, "mem_per_gpu": "120G"},
        {"gpus_per_node": 2, "tasks_per_node": 2, "mem_gb": 1.5, "signal_delay_s": 40},
        {"mem_gb": 16, "gres": "gpu:a100:1", "stderr_to_stdout": True},
        {
            "setup": ["module load cuda", "export A=1"],
            "additional_parameters": {"nice": 7, "gpus": 1, "exclusive": True},
        },
    ],
    ids=lambda keys: "-".join(keys) or "defaults",
)
def test_keys_are_submitits(tmp_path: Path, keys: dict) -> None:
    defaults = {k: None if v == "???" else v for k, v in OmegaConf.to_container(OmegaConf.load(DEFAULTS)).items()}
    given = {**defaults, "name": "app", "submitit_folder": str(tmp_path), **keys}
    settings = read_slurm_settings({k: v for k, v in given.items() if not k.startswith("_") and k != "defaults"})
    ours = sbatch_script(settings, tmp_path, "true", 1, at_once=1)
    executor = submitit.AutoExecutor(folder=tmp_path, cluster="slurm")
    asked = {"name": "app", "timeout_min": settings.timeout_min, "nodes": 1, "tasks_per_node": 1,
             "signal_delay_s": settings.signal_delay_s, **keys}  # fmt: skip
    executor.update_parameters(**{k if k in SHARED else f"slurm_{k}": v for k, v in asked.items()})
    theirs = executor._executor._make_submission_file_text("true", "")
    assert lines(ours) == lines(theirs)
    merged = "--error" not in ours
    assert merged == ("--error" not in theirs) == bool(keys.get("stderr_to_stdout"))
