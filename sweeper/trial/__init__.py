"""The trial half: data, model, optimizer and loop of one run. It never imports optuna, mlflow or submitit."""
