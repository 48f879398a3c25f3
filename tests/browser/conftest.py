"""A study tracked by a real sweep, MLflow's real server on it, and chromium to look at its pages."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, start

WAIT_S = 60.0
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
ALONE = (
    *("headless", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "disable-quic", "no-first-run"),
    *("disable-background-networking", "disable-component-update", "disable-sync", "window-size=2600,1400"),
)


def sweep(folder: Path, app: str | Path, *arguments: str) -> str:
    """What a sweep printed."""
    process = start(app, "-m", *arguments, cwd=folder)
    out, err = process.communicate(timeout=180)
    assert out, err
    return out


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of ``mlflow ui`` on the store of ``folder``."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "ui", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    alone = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # without it, ten processes
    with open(folder / "server.log", "w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=alone, start_new_session=True)
    try:
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline and server.poll() is None, (folder / "server.log").read_text()
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


class Page:
    """A browser that waits for what a page should say."""

    def __init__(self, driver, server: str) -> None:
        self.driver, self.server = driver, server

    def open(self, link: str) -> None:
        self.driver.get("about:blank")  # else only the fragment changes, and the page stays as it was
        self.driver.get(self.server + "/" + link.lstrip("/"))

    @contextmanager
    def new_tab(self, link) -> Iterator[None]:
        """Look at the tab that a link opens; a tab in the background draws nothing."""
        before = self.driver.current_window_handle
        link.click()
        self.driver.switch_to.window(self.driver.window_handles[-1])
        yield
        self.driver.close()
        self.driver.switch_to.window(before)

    @property
    def text(self) -> str:
        return self.driver.execute_script("return document.body.innerText")

    def wait_for(self, *words: str) -> str:
        """The page's text once it has all of the words."""
        deadline = time.monotonic() + WAIT_S
        while missing := [word for word in words if word not in self.text]:
            assert time.monotonic() < deadline, (missing, self.driver.current_url, self.text)
            time.sleep(0.2)
        return self.text

    def find(self, selector: str) -> list:
        from selenium.webdriver.common.by import By

        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def wait_to_find(self, selector: str) -> list:
        deadline = time.monotonic() + WAIT_S
        while not (found := self.find(selector)):
            assert time.monotonic() < deadline, (selector, self.driver.current_url, self.text)
            time.sleep(0.2)
        return found


class Tracked:
    """The studies ``first`` (digits) and ``toy`` (an app of somebody else's, half of whose trials fail)."""

    def __init__(self, folder: Path) -> None:
        few = ("hydra.sweeper.n_trials=6", "hydra.sweeper.study_name=first", "stage.epochs=5", "data=wine")
        self.out = sweep(folder, ROOT / "train.py", "model=mlp,linear", "optimizer=adam,sgd", *few)
        theirs = ("hydra/sweeper=optuna", "hydra/launcher=local", "hydra.sweep.dir=toy", "steps=3")
        sweep(folder, "toy.py", *theirs, "mode=ok,raise", "hydra/sweeper/sampler=grid")
        self.folder = folder
        found = re.search(r"^page +http://127.0.0.1:5000(/#/\S+)$", self.out, re.MULTILINE)
        assert found, self.out
        self.link = found[1]

    def runs(self, app: str) -> tuple:
        """The parent of an app's study and its children, best first."""
        from mlflow.tracking import MlflowClient

        client = MlflowClient(f"sqlite:///{self.folder}/mlflow.db")
        runs = client.search_runs([client.get_experiment_by_name(app).experiment_id])
        (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
        children = [run for run in runs if run is not parent]
        return parent, sorted(children, key=lambda run: run.data.metrics.get("objective", float("inf")))


@pytest.fixture(scope="session")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Tracked:
    return Tracked(tmp_path_factory.mktemp("tracked"))


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium alone."""
    if not CHROMIUM or not DRIVER:
        assert not os.environ.get("CI"), "CI can install chromium and chromium-driver"
        pytest.skip("chromium and chromedriver are not installed")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (*ALONE, f"user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(f"--{argument}")
    browser = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield browser
    finally:
        browser.quit()


@pytest.fixture(scope="session")
def page(tracked: Tracked, driver: Any) -> Iterator[Page]:
    with serving(tracked.folder) as server:
        yield Page(driver, server)
