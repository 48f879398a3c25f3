"""An app as most are: torch at the top, data-loader workers inside, its own torch threads."""

import hydra
import torch
from hydra.core.config_store import ConfigStore
from torch.utils.data import DataLoader, TensorDataset

ConfigStore.instance().store(name="config", node={"lr": 0.1})


@hydra.main(version_base="1.3", config_path=None, config_name="config")
def main(cfg):
    torch.manual_seed(0)
    inputs = torch.randn(64, 3)
    data = TensorDataset(inputs, inputs @ torch.tensor([1.0, -2.0, 3.0]))
    weights = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.SGD([weights], lr=cfg.lr)
    loader = DataLoader(data, batch_size=16, shuffle=True, num_workers=2, persistent_workers=True)
    for _ in range(3):
        for x, y in loader:
            optimizer.zero_grad()
            ((x @ weights - y) ** 2).mean().backward()
            optimizer.step()
    return ((inputs @ weights - data.tensors[1]) ** 2).mean().item()


if __name__ == "__main__":
    main()
