"""What a person finds in MLflow's pages of a study: its trials best first, the searched beside the measured.

MLflow's run table shows neither metrics nor parameters until somebody picks columns, and sorts by age. What
its *Share* button stores, a view as a tag of the experiment, we store for each study; the study's own run and
the sweep's last lines link to it. Everything here is a function of values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sweeper.study.tracking.record import Study
from sweeper.study.tracking.runs import PARENT, STATE, escaped, mlflow_key, objective_keys, short_keys, short_value

METRIC_COLUMNS = 6
TAG_CHARS = 5000  # MLflow's limit

# Under this line a person's words stay when we write ours anew.
RULE = "\n\n---\n"


def view_link(study: Study, experiment_id: str) -> str:
    """The part of the address behind the server's; MLflow's pages are about language models without the first key."""
    return f"/#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={study.id}"


def run_link(experiment_id: str, run_id: str) -> str:
    """The same for the page of a run, as other pages write it."""
    return f"#/experiments/{experiment_id}/runs/{run_id}"


def view(study: Study, parent: str, searched: Iterable[str], measured: Iterable[str]) -> str:
    """The state of the run table: a study's trials by objective, with what was measured and what was searched."""
    objectives = objective_keys(len(study.directions))
    others = [key for key in measured if key not in objectives]
    shown = [key for key in others if "val" in key or key == study.metric] or others
    columns = [f"metrics.`{mlflow_key(key)}`" for key in [*objectives, *sorted(shown)[:METRIC_COLUMNS]]]
    columns += [f"tags.`{STATE}`", *(f"params.`{mlflow_key(key)}`" for key in searched)]
    state = {
        "searchFilter": f"tags.`{PARENT}` = '{parent}'",
        "orderByKey": columns[0],
        "orderByAsc": study.directions[0] == "minimize",
        "selectedColumns": columns,
    }
    while len(text := json.dumps(state)) > TAG_CHARS:
        columns.pop()
    return text


def description(
    study: Study,
    experiment_id: str,
    runs: Mapping[int | None, str],
    results: Mapping[str, Any] | None = None,
    plots: Iterable[str] = (),
) -> str:
    """Markdown: the link to all trials, the best ones, plots and commands.

    ``runs`` are the ids of the trials' runs by number; ``plots`` the addresses of pages, within MLflow's.
    """
    title = f"[All trials, best first]({view_link(study, experiment_id)[1:]})"
    best = (results or {}).get("best_trials") or []
    parts = [title]
    if results and best:
        counts = ", ".join(f"{n} {state.lower()}" for state, n in results["counts"].items() if n)
        parts = [f"{title} · best of {counts}:", _table(study, best, experiment_id, runs)]
        links = " · ".join(f"[{plot.rpartition('/')[2].removesuffix('.html')}]({plot})" for plot in plots)
        parts += [f"Plots: {links}"] if links else []
        command = best[0].get("command")
        parts += [f"Run the best again:\n\n{_code(command)}"] if command else []
    if study.command:
        parts.append(f"The study's command:\n\n{_code(study.command)}")
    while len(parts) > 1 and len("\n\n".join(parts)) > TAG_CHARS - len(RULE):
        parts.pop()
    return "\n\n".join(parts)


def described(ours: str, before: str) -> str:
    """Our description with what a person wrote under the rule; theirs alone if they removed the rule."""
    head, rule, theirs = before.partition(RULE)
    if (head and not rule) or len(RULE) + len(theirs) > TAG_CHARS:
        return before
    return ours[: TAG_CHARS - len(RULE) - len(theirs)] + RULE + theirs


def _table(study: Study, best: list[Mapping[str, Any]], experiment_id: str, runs: Mapping[int | None, str]) -> str:
    several = len(study.directions) > 1
    values = objective_keys(len(study.directions)) if several else [study.metric]
    others = [key for key in best[0]["metrics"] if "val" in key and key not in values][:METRIC_COLUMNS]
    params = short_keys(dict.fromkeys(key for trial in best for key in trial["params"]))
    rows = [["trial", *map(escaped, [*values, *others, *params.values()])]]
    rows.append(["---"] * len(rows[0]))
    for trial in best:
        name, run = f"{trial['number']:04d}", runs.get(trial["number"])
        drawn = (trial["params"].get(key, "") for key in params)
        measured = (trial["metrics"].get(key, "") for key in others)
        found = trial["values"] if several else [trial["value"]]
        cells = map(escaped, map(short_value, [*found, *measured, *drawn]))
        rows.append([f"[{name}]({run_link(experiment_id, run)})" if run else name, *cells])
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def _code(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
