"""An app that leaves its runs in MLflow open."""

import hydra
import mlflow
from hydra.core.config_store import ConfigStore

import sweeper

mlflow.set_tracking_uri("sqlite:///own.db")
ConfigStore.instance().store(name="config", node={"leave": "complete"})


@hydra.main(version_base="1.3", config_path=None, config_name="config")
def main(cfg):
    mlflow.start_run(run_name=cfg.leave)
    mlflow.start_run(run_name=f"below {cfg.leave}", nested=True)
    match cfg.leave:
        case "pruned":
            raise sweeper.Pruned("enough")
        case "failed":
            raise RuntimeError("broken")
    return 0.5


if __name__ == "__main__":
    main()
