"""Plain Optuna, without Hydra or MLflow: `plain_optuna.py JOURNAL TRIALS THREADS`, several of them on one journal."""

import sys

import optuna
import torch
from digits_mlp import train
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend


def objective(trial: optuna.Trial) -> float:
    width, depth = trial.suggest_categorical("width", [32, 64, 128, 256]), trial.suggest_int("depth", 1, 2)
    return train(width=width, depth=depth, lr=trial.suggest_float("lr", 1e-4, 1e-1, log=True))


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)
    storage = JournalStorage(JournalFileBackend(sys.argv[1]))
    sampler = optuna.samplers.RandomSampler()
    study = optuna.create_study(storage=storage, study_name="plain", load_if_exists=True, sampler=sampler)
    study.optimize(objective, n_trials=int(sys.argv[2]), n_jobs=int(sys.argv[3]))
