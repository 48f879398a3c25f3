"""The page of stage=inspect in chromium: from the file, without a server, by keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, start
from tests.trial.inspect.test_stage import zoo

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(driver: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("inspect")
    data = ("data=image_folder", f"data.root={zoo(folder / 'zoo')}", f"data.cache={folder}/cache", "tracking=null")
    process = start(ROOT / "train.py", "stage=inspect", *data, "hydra.run.dir=out", cwd=folder)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, out + err
    driver.get_log("browser")  # what other pages said
    driver.get((folder / "out" / "inspect.html").as_uri())
    return driver


def names(page) -> list[str]:
    script = "return [...document.querySelectorAll('#rows tbody tr')].map(r => r.cells[1].textContent)"
    return [name.replace("\u200b", "") for name in page.execute_script(script)]


def type_into(page, selector: str, *keys: str) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    box = page.find_element(By.CSS_SELECTOR, selector)
    box.send_keys(Keys.CONTROL, "a")
    box.send_keys(Keys.DELETE, *keys)


def test_the_worst_findings_come_first_and_nothing_breaks(page):
    text = page.execute_script("return document.body.innerText")
    assert text.index("Failed") < text.index("files_readable") < text.index("Passed") < text.rindex("Every example")
    assert not [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"]
    broken = "return [...document.images].filter(i => !i.complete || !i.naturalWidth || !i.alt).length"
    assert page.execute_script(broken) == 0 and page.execute_script("return document.images.length") > 100


def test_the_table_is_searched_filtered_and_sorted_by_keyboard(page):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    type_into(page, "#search", "issue:near_duplicate name:near_")
    assert sorted(names(page)) == ["bee/near_crop.png", "bee/near_jpeg.png", "bee/near_noise.png"]
    type_into(page, "#search", "outlier_score>1 split:train")
    header = page.find_element(By.XPATH, "//th/button[starts-with(., 'outlier score')]")
    header.send_keys(Keys.ENTER)
    place = "return [...document.querySelectorAll('#rows th')].findIndex(t => t.hasAttribute('aria-sort')) + 1"
    column = page.execute_script(place)
    script = f"return [...document.querySelectorAll('#rows tbody tr')].map(r => +r.cells[{column}].textContent)"
    scores = page.execute_script(script)
    assert len(scores) > 5 and scores == sorted(scores, reverse=True) and min(scores) >= 1
    type_into(page, "#search", "onerror=alert")
    assert names(page) == ["cow/<img src=x onerror=alert(1)>.png"]  # as text
    type_into(page, "#search")
