import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from sweeper.errors import ConfigError
from sweeper.trial.stage import preload, run

NEW = {
    "my_models.py": """
import math
from torch import nn

class Mine(nn.Module):
    def __init__(self, *, input_shape, outputs, units):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), units), nn.Tanh())
        self.head = nn.Linear(units, outputs)

    def forward(self, inputs):
        return self.head(self.body(inputs))
""",
    "my_regularizers.py": """
class Clip:
    def __init__(self, *, most):
        self.most, self.batches = most, 0

    def change_batch(self, inputs, targets, generator):
        self.batches += 1
        return inputs.clamp(-self.most, self.most), targets
""",
    "my_data.py": """
import numpy as np
from sweeper.trial.data import Examples

def blobs(*, examples):
    labels = np.arange(examples) % 2
    inputs = np.random.default_rng(0).normal(labels[:, None] * 4.0, 1.0, (examples, 5))
    return Examples("blobs", inputs, labels, ("a", "b"))
""",
    "my_stages.py": """
from sweeper.trial.setup import build, pick_device

def count(cfg, *, what):
    model = build(cfg, pick_device("cpu")).model
    return float(sum(p.numel() for p in getattr(model, what)()))
""",
    "conf/model/mine.yaml": "_target_: my_models.Mine\nunits: 7\nspace: {units: 'choice(7, 9)'}\n",
    "conf/regularizer/clip.yaml": "clip:\n  _target_: my_regularizers.Clip\n  most: 2.0\n",
    "conf/data/blobs.yaml": "_target_: my_data.blobs\nexamples: 200\nsplit: {seed: 0, val: 0.2, test: 0.2}\n",
    "conf/stage/count.yaml": "_target_: my_stages.count\nwhat: parameters\n",
    "conf/mine.yaml": """
hydra: {searchpath: ["file://CONF"]}
defaults:
  - data: blobs
  - model: mine
  - optimizer: adam
  - regularizer: [clip, dropout]
  - stage: train
  - _self_
seed: 0
objective: val_accuracy
""",
}


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A person's own model, regularizer, data set and stage: new files in a folder of theirs."""
    for name, text in NEW.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("CONF", str(Path(__file__).parents[2] / "conf")))
    monkeypatch.syspath_prepend(tmp_path)

    def composed(*overrides):
        with initialize_config_dir(str(tmp_path / "conf"), version_base=None):
            return compose("mine", overrides=list(overrides))

    return composed


def test_new_files_are_all_that_a_new_part_needs(mine, record, tmp_path):
    cfg = mine("optimizer.lr=0.01", "stage.epochs=10")
    preload(cfg)
    assert record(tmp_path / "trial", cfg) > 0.95
    assert (tmp_path / "trial" / "model.safetensors").exists()


def test_a_new_stage_runs_by_name(mine):
    assert run(mine("stage=count", "regularizer=[]")) == (5 + 1) * 7 + (7 + 1) * 2


def test_an_unknown_setting_of_a_stage_is_an_error(mine):
    with pytest.raises(ConfigError, match=r"stage.whta is unknown to my_stages.count \(did you mean 'what'\?\)"):
        run(mine("stage=count", "+stage.whta=1"))


def test_reading_data_and_reporting_import_no_torch():
    """The launcher decides when torch is imported; that the study half never is, import-linter checks."""
    code = "import sys, sweeper.trial.report, sweeper.trial.data; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
