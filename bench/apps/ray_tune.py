"""The digits perceptron under Ray Tune, two trials at a time, with MLflow: `ray_tune.py [--reuse-actors] TRIALS`."""

import os
import sys

import mlflow
import ray
from digits_mlp import train
from ray import tune

STORE = f"sqlite:///{os.getcwd()}/mlflow.db"
SPACE = {
    "width": tune.choice([32, 64, 128, 256]),
    "depth": tune.choice([1, 2]),
    "lr": tune.loguniform(1e-4, 1e-1),
}


def trial(config: dict[str, float]) -> dict[str, float]:
    mlflow.set_tracking_uri(STORE)
    mlflow.set_experiment("peer")
    with mlflow.start_run():
        mlflow.log_params(config)
        return {"val_loss": train(**config, report=mlflow.log_metrics)}


if __name__ == "__main__":
    mlflow.set_tracking_uri(STORE)
    mlflow.set_experiment("peer")  # makes the store: two workers that made it at once would break it
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    reuse = "--reuse-actors" in sys.argv
    config = tune.TuneConfig(num_samples=int(sys.argv[-1]), metric="val_loss", mode="min", reuse_actors=reuse)
    here = tune.RunConfig(storage_path=os.getcwd())
    results = tune.Tuner(trial, param_space=SPACE, tune_config=config, run_config=here).fit()
    sys.exit(1 if results.errors else 0)
