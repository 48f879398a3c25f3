"""The page of `stage=check` as chromium renders it from the file, offline and by keyboard."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sweeper import check

pytestmark = pytest.mark.browser


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({"<img src=x onerror=alert(1)>": nn.Linear(64, 4), "used": nn.Linear(64, 4)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers["used"](x.flatten(1))


def test_the_page_is_read_by_keyboard_and_shows_pictures(driver, tmp_path):
    torch.manual_seed(0)
    x = torch.randn(200, 1, 8, 8)
    data = (x, x.flatten(1)[:, :4].argmax(1))
    model = Net()
    check(model, nn.CrossEntropyLoss(), data, optimizer=torch.optim.Adam(model.parameters()), raises=False,
          page=tmp_path / "check.html")  # fmt: skip
    driver.get((tmp_path / "check.html").as_uri())
    text = driver.find_element("tag name", "body").text
    assert "check of Net" in text and "FAIL unused_parameters" in text and "what to do" in text
    assert "<img src=x onerror=alert(1)>" in text  # a name, as text
    assert not driver.execute_script("return [...document.images].filter(i => !i.src.startsWith('data:')).length")
    first = driver.find_element("css selector", "details:not([open]) summary")
    driver.execute_script("arguments[0].focus()", first)
    first.send_keys("\n")  # Enter opens it
    assert driver.execute_script("return arguments[0].parentElement.open", first)
    shown = driver.execute_script(
        "document.querySelectorAll('details').forEach(d => d.open = true);"
        "return [...document.images].map(i => i.complete && i.naturalWidth > 0)"
    )
    assert shown and all(shown)
    assert driver.execute_script("return document.querySelectorAll('svg[role=img][aria-label]').length") > 3
    assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
