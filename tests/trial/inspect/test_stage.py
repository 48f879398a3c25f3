"""The command as a person types it, on files with everything wrong that we could think of."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from tests.conftest import ROOT
from tests.trial.inspect.plants import near, shapes

TRAIN = ROOT / "train.py"


def zoo(folder: Path) -> Path:
    """150 pictures in three classes, with duplicates across classes, torn and odd files, and hostile names."""
    rng, pictures = np.random.default_rng(0), shapes(150)
    for number, picture in enumerate(pictures):
        path = folder / ("ant", "bee", "cow")[number % 3] / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    for number, kind in enumerate(("noise", "jpeg", "crop")):
        Image.fromarray(near(pictures[number], kind, rng)).save(folder / "bee" / f"near_{kind}.png")
    (folder / "cow" / "same.png").write_bytes((folder / "ant" / "030.png").read_bytes())
    (folder / "ant" / "torn.png").write_bytes((folder / "ant" / "000.png").read_bytes()[:3000])
    (folder / "ant" / "zero.png").write_bytes(b"")
    Image.new("1", (9000, 9000)).save(folder / "cow" / "bomb.png")
    Image.new("RGB", (64, 64), (9, 9, 9)).save(folder / "cow" / "blank.png")
    Image.fromarray(shapes(1)[0]).save(folder / "cow" / "<img src=x onerror=alert(1)>.png")
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


def test_a_zoo_is_inspected_named_and_left_as_it_was(quick, tmp_path):
    folder = zoo(tmp_path / "zoo")
    before = contents(folder)
    data = ("data=image_folder", f"data.root={folder}", f"data.cache={tmp_path}/cache", "tracking=null")
    done = quick(TRAIN, "stage=inspect", *data, "hydra.run.dir=out", "inspect.exclude=out.txt", timeout=230)
    assert done.code == 0 and "Traceback" not in done.both, done
    assert contents(folder) == before
    said = {v["check"]: v for v in json.loads((tmp_path / "out" / "inspect.json").read_text())["verdicts"]}
    assert all(name in said["files_readable"]["reason"] for name in ("ant/torn.png", "ant/zero.png", "cow/bomb.png"))
    for check in ("splits_disjoint", "duplicates_agree", "no_near_duplicates", "no_exact_duplicates", "no_blanks"):
        assert said[check]["state"] in ("fail", "pass") and check in done.out
    table = pd.read_parquet(tmp_path / "out" / "examples.parquet").set_index("name")
    assert len(table) == 159
    for name, of in {"noise": "ant/000.png", "jpeg": "bee/001.png", "crop": "cow/002.png"}.items():
        assert table.loc[f"bee/near_{name}.png", "duplicate_group"] == table.loc[of, "duplicate_group"] >= 0
    assert {"exact_duplicate", "conflicting_labels"} <= set(table.loc["cow/same.png", "issue"])
    assert list(table.loc["ant/zero.png", "issue"]) == ["empty_file"]
    page = (tmp_path / "out" / "inspect.html").read_text()
    assert "<img src=x" not in page and "http" not in page.replace("http://www.w3.org", "")
    again = quick(TRAIN, *data, "model=linear", "stage.epochs=1", "data.exclude=out.txt", timeout=200)
    assert again.code == 0, again


def test_a_query_prints_its_rows_with_losses_of_a_run(quick, tmp_path):
    trained = quick(TRAIN, "data=wine", "stage.epochs=3", "tracking=null", "hydra.run.dir=trial")
    assert trained.code == 0, trained
    asked = ("inspect.run=trial", 'inspect.where="label == \\"class_1\\" and loss > 0"', "inspect.sort=-loss")
    done = quick(TRAIN, "stage=inspect", "data=wine", "tracking=null", "hydra.run.dir=out", *asked, timeout=200)
    assert done.code == 0, done
    table = pd.read_parquet(tmp_path / "out" / "examples.parquet")
    assert table.loc[table["split"] == "test", "loss"].isna().all()
    known = table[table["loss"].notna() & (table["label"] == "class_1")]
    worst = known.sort_values("loss", ascending=False)["name"].iloc[0]
    rows = done.out[done.out.index("by -loss") :].splitlines()
    first = next(place for place, line in enumerate(rows) if line.startswith("name"))
    assert rows[first + 1].split()[0] == worst and f"{len(known)} examples with" in done.out
