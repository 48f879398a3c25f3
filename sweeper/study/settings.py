"""The keys of ``hydra.sweeper``, read and checked before anything starts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from sweeper.configs import value_in
from sweeper.errors import ConfigError, nearest
from sweeper.masked import masked
from sweeper.study.values import flag, share, whole


@dataclass(frozen=True)
class Settings:
    """hydra-optuna-sweeper's keys and ours; ``conf/hydra/sweeper/optuna.yaml`` says what each means."""

    sampler: Any
    direction: tuple[str, ...]
    storage: Any
    study_name: str | None
    n_trials: int
    n_jobs: int | None
    max_failure_rate: float
    params: dict[str, str]
    custom_search_space: str | None
    pruner: Any
    monitor: str | None
    search: tuple[str, ...]
    repeats: int
    retries: int
    seed: int
    tracking: Tracking | None
    dry_run: bool
    detach: bool


def read_settings(keys: Mapping[str, Any], defaults: Path) -> Settings:
    """Check the sweeper's keys as Hydra gives them; ConfigError names the first that breaks its rule.

    ``defaults`` is the YAML file of all keys, for configs written before some of them existed.
    """
    known = {"sampler": "random", **yaml.safe_load(defaults.read_text(encoding="utf-8")), "tracking": "mlflow"}
    for key in keys:
        if key not in known:
            raise ConfigError(
                f"hydra.sweeper.{key} must be a key of the sweeper{nearest(key, known)}; remove it, or see {defaults}"
            )
    keys = {k: v for k, v in {**known, **keys}.items() if k not in ("defaults", "_target_", "_recursive_")}
    raw = {k: _plain(v) for k, v in keys.items() if k != "params"}
    params = _for_jobs(keys["params"])
    direction = _directions(raw["direction"])
    if raw["pruner"] is not None and len(direction) > 1:
        raise ConfigError(
            f"hydra.sweeper.pruner must be null with several directions (Optuna prunes on one objective), "
            f"got pruner={_shown(raw['pruner'])} and direction={list(direction)}; set hydra.sweeper.pruner=null"
        )
    return Settings(
        sampler=raw["sampler"],
        direction=direction,
        storage=raw["storage"],
        study_name=_text(raw["study_name"]),
        n_trials=whole("hydra.sweeper.n_trials", raw["n_trials"], at_least=1),
        n_jobs=None if raw["n_jobs"] is None else whole("hydra.sweeper.n_jobs", raw["n_jobs"], at_least=1),
        max_failure_rate=share("hydra.sweeper.max_failure_rate", raw["max_failure_rate"]),
        params=_params(params if params is not None else _as_params(raw["search_space"])),
        custom_search_space=_text(raw["custom_search_space"]),
        pruner=raw["pruner"],
        monitor=_text(raw["monitor"]),
        search=_globs(raw["search"]),
        repeats=whole("hydra.sweeper.repeats", raw["repeats"], at_least=1),
        retries=whole("hydra.sweeper.retries", raw["retries"], at_least=0),
        seed=whole("hydra.sweeper.seed", raw["seed"], at_least=0),
        tracking=read_tracking(raw["tracking"]),
        dry_run=flag("hydra.sweeper.dry_run", raw["dry_run"]),
        detach=flag("hydra.sweeper.detach", raw["detach"]),
    )


@dataclass(frozen=True)
class Tracking:
    """Where MLflow's runs go; None: what the environment says, then a SQLite file in the project's folder."""

    uri: str | None = None
    experiment: str | None = None


def read_tracking(value: Any) -> Tracking | None:
    """``mlflow``, null, or ``{uri: …, experiment: …}``; a mapping of other keys is the app's own, and says nothing."""
    if value is None or value is False:
        return None
    ours = {"uri", "experiment"}
    keys = dict(value) if isinstance(value, Mapping) else {}
    if (keys or isinstance(value, list)) and not any(key in ours or nearest(str(key), ours) for key in keys):
        return Tracking()
    if keys.keys() - ours or not (isinstance(value, Mapping) or value in ("mlflow", True)):
        raise ConfigError(
            f"tracking must be mlflow, null or {{uri: …, experiment: …}}, got {value!r}; try tracking=mlflow, or "
            "hydra.sweeper.tracking=mlflow where the app has a key tracking of its own"
        )
    uri = _text(keys.get("uri"))
    if uri is not None:
        check_uri(uri)
    return Tracking(uri, _text(keys.get("experiment")))


def check_uri(uri: str) -> None:
    """ConfigError for a store that MLflow does not take, or for a database where there is no folder."""
    scheme = re.match(r"([A-Za-z][\w+.-]*):", uri)
    if uri == "databricks" or (scheme and scheme[1] != "file" and not uri.startswith("sqlite")):
        _check_scheme(uri, scheme[1] if scheme else uri)
        return
    if not uri.startswith("sqlite:///"):
        raise ConfigError(
            f"tracking.uri must be a database or a server, got {uri!r}: MLflow 3.13 and later refuse plain "
            "file stores; use sqlite:///mlflow.db or http://…"
        )
    folder = Path(uri.removeprefix("sqlite:///").partition("?")[0]).parent
    if folder.is_absolute() and not folder.is_dir():
        raise ConfigError(f"tracking.uri must be a database in a folder that exists, got {uri!r}; mkdir -p {folder}")


_SCHEMES = ("sqlite", "postgresql", "mysql", "mssql", "http", "https", "databricks")


def _check_scheme(uri: str, scheme: str) -> None:
    known = {*_SCHEMES, *(plugin.name for plugin in entry_points(group="mlflow.tracking_store"))}
    if scheme.partition("+")[0] not in known:
        raise ConfigError(
            f"tracking.uri must be a database or a server, got {masked(uri)!r}, whose scheme MLflow does not know"
            f"{nearest(scheme, known)}; use sqlite:///mlflow.db or http://…"
        )


def _directions(value: Any) -> tuple[str, ...]:
    several = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    names = tuple(d.name if isinstance(d, Enum) else str(d) for d in several)
    for name in names:
        if name.startswith("unknown for "):
            raise ConfigError(
                f"hydra.sweeper.direction must be given for objective={name.removeprefix('unknown for ')}, whose name "
                "does not say whether more is better; add hydra.sweeper.direction=minimize or maximize"
            )
        if name not in ("minimize", "maximize"):
            raise ConfigError(
                f"hydra.sweeper.direction must be minimize, maximize or a list of them, got {name!r}; "
                "try hydra.sweeper.direction=minimize"
            )
    if not names:
        raise ConfigError("hydra.sweeper.direction must name at least one direction, got []; try minimize")
    return names


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _globs(value: Any) -> tuple[str, ...]:
    if value is None:
        return ("!*",)  # search nothing that options declare
    globs = (value,) if isinstance(value, str) else tuple(value)
    if not all(isinstance(g, str) and g for g in globs):
        raise ConfigError(f"hydra.sweeper.search must be glob patterns, got {value!r}; try hydra.sweeper.search='*'")
    return tuple(globs)


def params_in(config: Any) -> dict[str, str]:
    """``hydra.sweeper.params`` of a composed config, or the peer's old ``search_space``, as they are written there."""
    params = _for_jobs(OmegaConf.select(config, "hydra.sweeper.params"))
    return _params(
        params if params is not None else _as_params(_plain(OmegaConf.select(config, "hydra.sweeper.search_space")))
    )


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _for_jobs(params: Any) -> Any:
    """``params`` resolved, but for ``${hydra:…}``, which speaks of a job and is left to it."""
    if not OmegaConf.is_dict(params) or value_in(params) is None:
        return _plain(params)
    written = {key: value_in(node) for key, node in value_in(params).items()}
    return {k: v if isinstance(v, str) and "${hydra:" in v else _for_jobs(params[k]) for k, v in written.items()}


def _params(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"hydra.sweeper.params must map keys to distributions, got {value!r}; "
            "write params: {optimizer.lr: 'loguniform(1e-4, 1e-1)'}"
        )
    pairs = _dotted(value)
    for key, written in pairs:
        if written is None and not key.rpartition(".")[2].isidentifier():
            raise ConfigError(
                f"hydra.sweeper.params must map keys to distributions, got the key {key!r} without one; in YAML's "
                "{…} a comma ends a value: write {x: '1,2'}"
            )
    return {str(k): _shown(v) for k, v in pairs}


def _as_params(search_space: Any) -> dict[str, str] | None:
    """hydra-optuna-sweeper's old ``search_space`` in the grammar of ``params``."""
    if search_space is None:
        return None
    params = {}
    for key, node in dict(search_space).items():
        kind = str(node.get("type")).rpartition(".")[2]
        if kind not in ("int", "float", "categorical") or (meant := _of_peers({**node, "type": kind})) is None:
            raise ConfigError(
                f"hydra.sweeper.search_space.{key}.type must be int or float with low and high, or categorical with "
                f"choices, got {dict(node)}; better write it as hydra.sweeper.params"
            )
        params[key] = meant
    return params


def _dotted(node: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """``optimizer.lr`` may be written nested, as overrides from the command line make it."""
    pairs: list[tuple[str, Any]] = []
    for key, value in node.items():
        if not isinstance(value, Mapping):
            pairs.append((f"{prefix}{key}", value))
        elif (meant := _of_peers(value)) is None:
            pairs += _dotted(value, f"{prefix}{key}.")
        else:
            raise ConfigError(
                f"hydra.sweeper.params.{prefix}{key} must be a distribution as the command line has it, "
                f"got {dict(value)}; write {prefix}{key}: {meant}"
            )
    return pairs


def _of_peers(spec: Mapping[str, Any]) -> str | None:
    """A distribution as W&B, Ax, Nevergrad, Ray or Optuna writes it, in ours; None for anything else, such as keys."""
    spec = {_ALIKE.get(key, key): value for key, value in spec.items()}
    if "optuna.distributions." in str(spec.get("_target_")):
        spec["distribution"] = str(spec.pop("_target_"))
    if not set(spec) <= _OF_PEERS:
        return None
    if spec.get("type") == "fixed" and "value" in spec:
        return _shown(spec["value"])
    for key in ("values", "choices"):
        if isinstance(spec.get(key), list):
            return f"choice({', '.join(_shown(value) for value in spec[key])})"
    ends = spec.get("bounds", [spec.get("min", spec.get("low")), spec.get("max", spec.get("high"))])
    if not isinstance(ends, list) or len(ends) != 2 or not all(isinstance(end, int | float) for end in ends):
        return None
    log = spec.get("log") or spec.get("log_scale") or "log" in str(spec.get("distribution"))
    step = spec.get("q", spec.get("step"))
    bounds = ", ".join(map(_shown, ends))
    if step is not None and not log:
        return f"range({bounds}, step={_shown(step)})"
    kind = str(spec.get("value_type", spec.get("type", spec.get("distribution")))).lower()
    kind = "int" if spec.get("integer") else kind
    if "int" in kind or (kind in ("none", "range") and all(isinstance(end, int) for end in ends)):
        return f"tag(log, int(interval({bounds})))" if log else f"int(interval({bounds}))"
    return f"loguniform({bounds})" if log else f"uniform({bounds})"


_ALIKE = {"lower": "low", "upper": "high", "grid_search": "values"}
_OF_PEERS = {
    "min", "max", "low", "high", "bounds", "values", "choices", "type", "distribution", "value_type", "log",
    "log_scale", "q", "step", "integer", "init", "value",
}  # fmt: skip


def _shown(value: Any) -> str:
    """A YAML value as the command line would have it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ",".join(_shown(v) for v in value) + "]"
    return str(value)
