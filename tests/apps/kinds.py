"""An app that returns what trainers return, by name."""

import math
from decimal import Decimal

import hydra
from hydra.core.config_store import ConfigStore

ConfigStore.instance().store(name="config", node={"kind": "float"})


def returned(kind):
    import numpy as np
    import torch

    return {
        "float": 0.5,
        "int": 3,
        "bool": True,
        "decimal": Decimal("0.25"),
        "numpy": np.float32(0.5),
        "numpy_int": np.int64(7),
        "torch": torch.tensor(0.5, requires_grad=True),
        "torch_half": torch.tensor([1.5], dtype=torch.float16),
        "tuple": (0.5,),
        "list": [torch.tensor(2.5)],
        "infinite": -math.inf,
        "number_as_text": "0.5",
        "none": None,
        "diverged": math.nan,
        "torch_nan": torch.tensor(math.nan),
        "text": "ready",
        "two": (1.0, 2.0),
        "dict": {"loss": 1.0},
        "many": torch.ones(3),
        "complex": 1j,
    }[kind]


@hydra.main(version_base="1.3", config_path=None, config_name="config")
def main(cfg):
    return returned(cfg.kind)


if __name__ == "__main__":
    main()
