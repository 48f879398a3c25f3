"""The digits perceptron as an ordinary Hydra app with MLflow: what hydra-optuna-sweeper sweeps here."""

import hydra
import mlflow
from digits_mlp import train
from omegaconf import DictConfig

STORE = "sqlite:///mlflow.db"


@hydra.main(version_base="1.3", config_path="conf", config_name="peer")
def main(cfg: DictConfig) -> float:
    mlflow.set_tracking_uri(f"sqlite:///{hydra.utils.get_original_cwd()}/mlflow.db")
    mlflow.set_experiment("peer")
    with mlflow.start_run():
        mlflow.log_params(dict(cfg))
        return train(
            width=cfg.width, depth=cfg.depth, lr=cfg.lr, report=lambda metrics, n: mlflow.log_metrics(metrics, n)
        )


if __name__ == "__main__":
    mlflow.set_tracking_uri(STORE)
    mlflow.set_experiment("peer")  # makes the store: two workers that made it at once would break it
    main()
