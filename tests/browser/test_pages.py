"""What a person sees of a study in MLflow's pages, as chromium renders them."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.browser


def run_link(run, rest: str = "") -> str:
    return f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}{rest}"


def test_the_page_that_the_sweep_names_has_its_trials_best_first(page, tracked):
    _, children = tracked.runs("train")
    page.open(tracked.link)
    text = page.wait_for("6 matching runs", "objective", "val_accuracy", "optimizer.momentum")
    assert "Sort: objective" in text and "shared view" in text and "Error" not in text
    names = [child.info.run_name for child in children]
    shown = [line for line in text.splitlines() if line in names]
    assert shown == names, text
    for column in ("model", "optimizer", "optimizer.lr"):
        assert column in text.splitlines()
    for child in children:
        assert child.data.params["model"] in child.info.run_name.split()


def test_the_experiment_lists_the_study_and_its_trials_nested(page, tracked):
    parent, children = tracked.runs("train")
    page.open(f"#/experiments/{parent.info.experiment_id}/runs?workflowType=machine_learning")
    page.wait_for("7 matching runs", "first")
    assert children[0].info.run_name not in page.text  # nested, and closed
    page.wait_to_find("[role=gridcell][col-id*='Run Name'] button")[0].click()
    page.wait_for(*(child.info.run_name for child in children))


def test_the_studys_page_has_the_best_trials_plots_and_children(page, tracked):
    parent, children = tracked.runs("train")
    page.open(run_link(parent))
    page.wait_for("All trials, best first", "best of 6 complete", "best_objective", "Child runs", "Finished")
    page.wait_for(*(child.info.run_name for child in children))
    page.wait_to_find(f"a[href$='{run_link(children[0])}']")
    page.wait_to_find("a[href$='/artifacts/plots/history.html']")
    with page.new_tab(page.find("a[href*=viewStateShareKey]")[0]):
        page.wait_for("6 matching runs", "Sort: objective")


def test_a_trials_page_has_the_searched_parameters_first_and_curves_against_the_step(page, tracked):
    _, children = tracked.runs("train")
    page.open(run_link(children[0]))
    text = page.wait_for("Parameters (", "val_loss", "objective", "Parent run", "Finished")
    parameters = text[text.index("Parameters (") :].split("\n")
    searched = children[0].info.run_name.split()
    first = [parameters.index(key) for key in ("model", "optimizer", "optimizer.lr")]
    assert max(first) < parameters.index("data._target_") and children[0].info.run_name in text
    assert parameters[parameters.index("model") + 1] == searched[1]
    page.open(run_link(children[0], "/model-metrics"))
    page.wait_for("val_accuracy", "val_loss", "train_loss", "Step")
    page.wait_to_find(".scatterlayer .trace path")
    ids, experiments = json.dumps([children[0].info.run_id]), json.dumps([children[0].info.experiment_id])
    page.open(f'#/metric?runs={ids}&metric="val_loss"&plot_metric_keys=["val_loss"]&experiments={experiments}')
    page.wait_to_find(".scatterlayer .trace path")
    assert "Error" not in page.text


def test_trials_compare_side_by_side(page, tracked):
    _, children = tracked.runs("train")
    ids = json.dumps([run.info.run_id for run in children[:3]])
    experiments = json.dumps([children[0].info.experiment_id])
    page.open(f"#/compare-runs?runs={ids}&experiments={experiments}")
    page.wait_for("Comparing 3 Runs", "optimizer.lr", *(run.info.run_name for run in children[:3]))


def test_a_plot_opens_in_the_page(page, tracked):
    parent, _ = tracked.runs("train")
    page.open(run_link(parent, "/artifacts/plots/history.html"))
    page.driver.switch_to.frame(page.wait_to_find("iframe")[0])
    page.wait_to_find(".scatterlayer .trace path")
    page.driver.switch_to.default_content()


def test_a_failed_trial_says_why(page, tracked):
    _, children = tracked.runs("toy")
    page.open(run_link(children[-1]))
    page.wait_for("FAIL RuntimeError: the weights exploded", "mode=raise", "Failed")
    page.wait_for('raise RuntimeError("the weights exploded")')
