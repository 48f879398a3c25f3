import numpy as np
import pandas as pd
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from sweeper.errors import ConfigError
from sweeper.trial.data import load, open_test, read
from sweeper.trial.data.overrides import listed

N = 200


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)  # of its own: the split goes by price, whichever tests ran before
    area, city = rng.normal(100, 20, N), rng.choice(["bonn", "köln", "trier"], N)
    price = 3 * area + 50 * (city == "köln") + rng.normal(0, 1, N)
    return pd.DataFrame({"area": area, "rooms": rng.integers(1, 30, N), "city": city, "price": price})


@pytest.fixture
def node(compose, tmp_path):
    def composed(frame, *overrides, suffix="csv"):
        path = tmp_path / f"houses.{suffix}"
        frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
        chosen = [] if any(o.startswith("data.target=") for o in overrides) else ["data.target=price"]
        return compose("data=table", f"data.path={path}", *chosen, *overrides).data

    return composed


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_numbers_are_standardised_and_categories_a_feature_each(node, frame, suffix):
    data = load(node(frame, suffix=suffix))
    assert data.classes is None and data.input_shape == (5,)
    np.testing.assert_allclose(data.train.inputs.mean(0, dtype=float), 0, atol=1e-5)
    design = np.column_stack([np.ones(len(data.train)), data.train.inputs])
    fit, *_ = np.linalg.lstsq(design, data.train.targets, rcond=None)
    held = np.column_stack([np.ones(len(data.val)), data.val.inputs]) @ fit
    assert np.corrcoef(held, data.val.targets)[0, 1] > 0.999  # the rows are still each other's


def test_categories_and_medians_are_of_train_alone(node, frame):
    frame["split"] = np.where(np.arange(N) < 100, "train", np.where(np.arange(N) < 150, "val", "test"))
    frame.loc[160, "city"] = "ulm"
    frame.loc[[3, 120], "area"] = np.nan
    data = load(node(frame, "data.split.column=split"))
    assert (len(data.train), len(data.val)) == (100, 50) and data.input_shape == (6,)  # no ulm; area's holes marked
    median = frame["area"][:100].median()
    scaled = (median - frame["area"][:100].fillna(median).mean()) / frame["area"][:100].fillna(median).std(ddof=0)
    assert data.val.inputs[20, 0] == pytest.approx(scaled, abs=1e-4)
    assert len(open_test(node(frame, "data.split.column=split"))) == 50


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["yes", "no"], "auto", ("no", "yes")),
        ([True, False], "auto", ("False", "True")),
        ([1, 2, 3], "auto", ("1", "2", "3")),
        ([0.5, 1.5], "auto", None),
        (list(range(100)), "auto", None),
        ([1, 2, 3], "regression", None),
        ([0.5, 1.5], "classification", ("0.5", "1.5")),
    ],
)
def test_the_targets_type_decides_and_can_be_overridden(node, frame, values, task, classes):
    frame["price"] = np.resize(values, N)
    assert read(node(frame, f"data.task={task}"))[0].classes == classes


def test_three_files_are_three_splits(compose, frame, tmp_path):
    for name, rows in {"train": frame[:100], "val": frame[100:150], "test": frame[150:]}.items():
        rows.to_csv(tmp_path / f"{name}.csv", index=False)
    paths = ", ".join(f"{name}: {tmp_path}/{name}.csv" for name in ("train", "val", "test"))
    node = compose("data=table", f"data.path={{{paths}}}", "data.target=price").data
    examples, parts = read(node)
    assert [len(part) for part in parts] == [100, 50, 50] and examples.names[parts[2][0]] == "test:0"


def test_a_group_is_drawn_into_one_split(node, frame):
    frame["owner"] = np.arange(N) // 4
    examples, parts = read(node(frame, "data.split.group=owner"))
    owners = [set(examples.groups[part]) for part in parts]
    assert not owners[0] & owners[1] and not owners[0] & owners[2] and not owners[1] & owners[2]
    assert len(parts[1]) == pytest.approx(0.2 * N, abs=8) and "owner" not in [c.name for c in examples.columns]


def test_a_given_split_that_shares_groups_is_an_error(node, frame):
    frame["owner"], frame["split"] = np.arange(N) // 4, np.resize(["train", "val", "test"], N)
    with pytest.raises(ConfigError, match=r"each group of data.split.group in one split, got 50 .*drawn by group"):
        load(node(frame, "data.split.group=owner", "data.split.column=split"))


@pytest.mark.parametrize(
    ("change", "overrides", "message"),
    [
        ({}, ["data.target=prise"], r"data.target must be a column, got prise \(did you mean 'price'\?\)"),
        ({}, ["data.drop=[aera]"], r"data.drop must be a column, got aera \(did you mean 'area'\?\)"),
        ({}, ["data.task=guess"], r"data.task must be one of auto, classification, regression, got guess"),
        ({"price": "much"}, ["data.task=regression"], r"data.task must be classification for the words in price"),
        ({"price": np.nan}, [], r"data.target must have values, got none in column price"),
        ({"city": [f"id{i}" for i in range(N)]}, [], r"too_many_categories in column city .*data.drop=\[city\]"),
        ({"split": "practice"}, ["data.split.column=split"], r"must hold train, val and test, got 'practice' in split"),
        ({}, ["data.split.group=owner"], r"data.split.group must be a column, got owner"),
    ],
)
def test_mistakes_are_one_line_with_the_column(node, frame, change, overrides, message):
    with pytest.raises(ConfigError, match=message):
        load(node(frame.assign(**change), *overrides))


@pytest.mark.parametrize(
    ("cells", "suffix", "issue", "words"),
    [
        (["1,5", "-2,25"], "csv", "mixed_types", "'1,5' looks like a number"),
        (["12%", "7%"], "csv", "mixed_types", "looks like a number"),
        ([1e300, 1.0], "csv", "infinite", "1e\\+300, more than single precision holds"),
        ([[1, 2], [3]], "parquet", "mixed_types", r"lists, .*'data.drop=\[odd\]'"),
        ([{"k": 1}, {"k": 2}], "parquet", "mixed_types", "structs"),
        ([b"\xff", b"\x00"], "parquet", "mixed_types", "bytes"),
    ],
)
def test_a_column_that_is_neither_numbers_nor_words_is_named(node, frame, cells, suffix, issue, words):
    frame["odd"] = (cells * N)[:N]
    with pytest.raises(ConfigError, match=rf"{issue} in column odd.*{words}"):
        load(node(frame, suffix=suffix))
    assert len(load(node(frame, "data.drop=[odd]", suffix=suffix)).train) > 0


@pytest.mark.parametrize(("cells", "words"), [([[1], [2]], "lists"), (pd.date_range("2020", periods=2), "dates")])
def test_a_target_that_is_neither_is_one_line(node, frame, cells, words):
    frame["price"] = (list(cells) * N)[:N]
    with pytest.raises(ConfigError, match=rf"data.target must be numbers or words, got {words} in column price"):
        read(node(frame, suffix="parquet"))


def test_words_among_numbers_are_named_with_their_row(node, frame):
    frame["area"] = frame["area"].round(3).astype(str)
    frame.loc[7:16, "area"] = "unknown"  # some of these are in train, where holes get a feature
    with pytest.raises(ConfigError, match=r"mixed_types in column area, row 7 .*'unknown' in a column of numbers"):
        load(node(frame))
    assert load(node(frame, "data.missing=[unknown]")).input_shape == (6,)


def test_a_target_without_value_is_named_and_can_be_left_out(node, frame, tmp_path):
    frame.loc[5, "price"] = np.nan
    with pytest.raises(ConfigError, match=r"target_missing in column price, row 5"):
        load(node(frame))
    (tmp_path / "out.txt").write_text("5\n")
    data = load(node(frame, f"data.exclude={tmp_path}/out.txt"))
    assert len(data.train) + len(data.val) < N


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ""),
        (b"a,b\n1,2,3,4\n5\n6,7,8\n", ""),
        (b"\xff\xfe\x00\x01,\n", "encoding='utf-16'"),
        ("stra\u00dfe,y\n1,2\n".encode("latin-1"), "encoding='latin-1'"),
        (b"a,a,y\n1,2,3\n", "a twice"),
    ],
)
def test_an_unreadable_file_is_one_line(compose, tmp_path, content, words):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(ConfigError, match=rf"^data\.(path|target) [^\n]*{words}[^\n]*$"):
        read(compose("data=table", f"data.path={tmp_path}/x.csv", "data.target=price").data)


def test_a_key_without_effect_is_an_error(compose):
    with pytest.raises(ConfigError, match=r"data.split.group has no effect on .*digits, got x"):
        load(compose("data=digits", "+data.split.group=x").data)


def test_a_file_with_semicolons_is_named_and_its_repair(compose, tmp_path):
    (tmp_path / "x.csv").write_text("a;b;y\n1,5;2;0\n2,5;3;1\n")
    with pytest.raises(ConfigError, match=r"must have commas between its columns, got ';' in .*sep=';', decimal=','"):
        read(compose("data=table", f"data.path={tmp_path / 'x.csv'}", "data.target=y").data)


def test_names_are_listed_as_hydra_reads_them():
    names = ["a", "b c", "größe (m²)", 'a "b"', "1st", "x,y"]
    parsed = OverridesParser.create().parse_overrides([f"data.drop={listed(names)}"])
    assert [str(value) for value in parsed[0].value()] == names
