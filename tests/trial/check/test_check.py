"""``sweeper.check`` and ``stage=check`` as a person uses them."""

from __future__ import annotations

import json
import re

import pytest
import torch
from torch import nn

from sweeper import CheckFailed, ConfigError, check

LOSS = nn.CrossEntropyLoss()


def program() -> tuple[nn.Module, tuple[torch.Tensor, torch.Tensor], torch.optim.Optimizer]:
    torch.manual_seed(0)
    x = torch.randn(200, 8)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
    return model, (x, x[:, :3].argmax(1)), torch.optim.Adam(model.parameters(), lr=1e-2)


def test_a_healthy_program_passes_and_is_left_as_it_was() -> None:
    model, data, optimizer = program()
    model.train()
    model(data[0]).sum().backward()
    weights = [p.detach().clone() for p in model.parameters()]
    gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    state = torch.get_rng_state()
    report = check(model, LOSS, data, optimizer=optimizer)
    assert report.ok
    assert report["loss_at_init"].state == "pass" and "\npass loss_at_init " in repr(report)
    assert all(torch.equal(a, b) for a, b in zip(weights, model.parameters(), strict=True))
    assert all(
        p.grad is not None and torch.equal(a, p.grad) for a, p in zip(gradients, model.parameters(), strict=True)
    )
    assert model.training and not optimizer.state and torch.equal(state, torch.get_rng_state())


def test_a_failed_verdict_raises_with_its_numbers(tmp_path) -> None:
    model, data, _ = program()
    stale = torch.optim.Adam(program()[0].parameters())
    with pytest.raises(CheckFailed, match=r"FAIL optimizer_parameters +it holds 0 of the model's 4 parameters"):
        check(model, LOSS, data, optimizer=stale)
    only = ["optimizer_parameters"]
    with pytest.raises(AssertionError):  # pytest shows it as a failed assertion
        check(model, LOSS, data, optimizer=stale, only=only)
    report = check(model, LOSS, data, optimizer=stale, only=only, raises=False, page=tmp_path / "page.html")
    assert report.failures[0].measured == {"stale": 4, "missing": 4, "twice": 0}
    assert "optimizer_parameters" in (tmp_path / "page.html").read_text()


def test_what_a_person_calls_things_is_escaped(tmp_path) -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleDict({"<b>first</b>": nn.Linear(8, 3), "<script>": nn.Linear(8, 3)})

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layers["<b>first</b>"](x)

    page = tmp_path / "page.html"
    check(Named(), LOSS, program()[1], raises=False, page=page)
    text = page.read_text()
    assert "&lt;script&gt;" in text
    assert not re.search(r"<(script|b>first)", text)
    assert not re.search(r'(src|href)="(?!data:|#)', text)  # works offline


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"only": ("dead_unit",)}, r"only must name checks, got 'dead_unit' \(did you mean 'dead_units'\?\)"),
        ({"data": 3}, "data must be a loader of batches or .inputs, targets., got int"),
        ({"data": []}, "data must give at least one example, got none"),
        ({"data": [(torch.ones(9, 4), torch.ones(2, 5).long(), torch.ones(3))]}, "input 0 with 9 rows for 3 targets"),
        ({"data": [{"x": torch.ones(9, 4), "y": torch.ones(3)}]}, "input x with 9 rows for 3 targets"),
        ({"data": [(object(), torch.ones(3))]}, "inputs must be a tensor, .* got object"),
    ],
)
def test_bad_input_is_one_line(given, words) -> None:
    model, data, _ = program()
    with pytest.raises(ConfigError, match=words) as caught:
        check(**{"model": model, "loss": LOSS, "data": data, **given})
    assert "\n" not in str(caught.value)


def test_a_step_or_evaluation_that_raises_is_a_failure_not_silence() -> None:
    model, data, optimizer = program()

    def step(inputs, targets):
        raise RuntimeError("boom")

    report = check(model, LOSS, data, optimizer=optimizer, step=step, evaluate=step, raises=False)
    assert {"step_order", "eval_mode"} <= {verdict.check for verdict in report.failures}


def test_the_stage_writes_verdicts_numbers_and_page(tmp_path, run_trial) -> None:
    run_trial(tmp_path, "stage=check", "model=linear", "data=wine")
    verdicts = json.loads((tmp_path / "check.json").read_text())
    assert verdicts["ok"] and verdicts["seconds"] < 30
    events = [json.loads(line) for line in (tmp_path / "events.0.jsonl").read_text().splitlines()]
    kinds = {event["event"]: event for event in events}
    assert kinds["metrics"]["values"]["check.failed"] == 0
    assert kinds["tags"]["values"]["check"] == "pass"
    assert {e["path"] for e in events if e["event"] == "artifact"} == {"check.html", "check.json"}
