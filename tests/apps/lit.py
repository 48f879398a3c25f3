"""An app of PyTorch Lightning's: a network on made-up data, its trainer as people set it up."""

import os

import hydra
import lightning
import torch
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch.utils.data import DataLoader, TensorDataset

from sweeper.lightning import Report

ConfigStore.instance().store(
    name="config",
    node={"lr": 0.1, "epochs": 3, "val_every": 1.0, "metrics": None, "workers": 0, "wait": False, "patience": 3}
    | {"devices": 1},
)


class Line(lightning.LightningModule):
    def __init__(self, lr, wait):
        super().__init__()
        self.lr, self.wait = lr, wait
        self.layer = torch.nn.Linear(2, 1)

    def loss(self, batch):
        x, y = batch
        return torch.nn.functional.mse_loss(self.layer(x).squeeze(-1), y)

    def training_step(self, batch, _):
        loss = self.loss(batch)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, _):
        self.log("val/loss", self.loss(batch))

    def on_train_start(self):
        while self.wait and not os.path.exists("go"):
            print("training", flush=True)
            torch.rand(1)
            __import__("time").sleep(0.05)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)


@hydra.main(version_base="1.3", config_path=None, config_name="config")
def main(cfg):
    lightning.seed_everything(0, verbose=False)
    x = torch.randn(64, 2)
    data = DataLoader(TensorDataset(x, x @ torch.tensor([1.0, -2.0])), batch_size=16, num_workers=cfg.workers)
    early = EarlyStopping("val/loss", patience=cfg.patience, check_finite=False, stopping_threshold=1e-9)
    trainer = lightning.Trainer(
        max_epochs=cfg.epochs,
        accelerator="cpu",
        devices=cfg.devices,
        strategy="auto" if cfg.devices == 1 else "ddp",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        val_check_interval=cfg.val_every,
        callbacks=[
            Report(metrics=cfg.metrics),
            early,
            ModelCheckpoint(f"{HydraConfig.get().runtime.output_dir}/checkpoints"),
        ],
    )
    trainer.fit(Line(cfg.lr, cfg.wait), data, data)
    return trainer.callback_metrics["val/loss"]


if __name__ == "__main__":
    main()
