import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from sweeper.trial.data.examples import Examples
from sweeper.trial.inspect.duplicates import across, exact_groups, near_groups, several
from sweeper.trial.inspect.near_images import near_images, reduced
from sweeper.trial.inspect.near_rows import near_rows
from sweeper.trial.inspect.neighbours import neighbours
from tests.trial.inspect.plants import digits, fields, patches, planted, shapes, stripes

SOURCES = {
    "digits": digits, "shapes": lambda: shapes(600), "fields": lambda: fields(600), "stripes": lambda: stripes(600),
}  # fmt: skip


@pytest.mark.parametrize("share", [0.03, 0.1])
@pytest.mark.parametrize("source", SOURCES)
def test_planted_near_duplicates_are_found_and_hardly_anything_else(source, share):
    pictures, recalled, right = SOURCES[source](), [], []
    for seed in (2, 3, 4) if share < 0.1 else (2,):  # of 18 pairs one is 6 %
        every, pairs = planted(pictures, share, seed)
        found = {tuple(sorted(pair)) for pair in near_images(reduced(every, 255.0))[0].tolist()}
        recalled += [pair in found for pair in pairs]
        right += [pair in pairs for pair in found]
    assert np.mean(recalled) >= 0.95 and np.mean(right) >= 0.95, (np.mean(recalled), np.mean(right))


def test_patches_of_photographs_are_told_from_their_copies():
    pictures, right = patches(), []
    for seed in (2, 3, 4):
        every, pairs = planted(pictures, 0.1, seed)
        found = {tuple(sorted(pair)) for pair in near_images(reduced(every, 255.0))[0].tolist()}
        right += [pair in pairs for pair in found]
        assert np.mean([pair in found for pair, kind in pairs.items() if kind != "crop"]) >= 0.9
    assert np.mean(right) >= 0.95


@pytest.mark.parametrize("source", SOURCES)
def test_pictures_as_they_are_have_none(source):
    pictures, _ = planted(SOURCES[source](), 0)
    assert len(near_images(reduced(pictures, 255.0))[0]) <= len(pictures) / 1000


def test_a_mirror_image_is_another_picture():
    pictures = shapes(300)
    every = np.concatenate([pictures, pictures[:50, :, ::-1]]).transpose(0, 3, 1, 2)
    assert len(near_images(reduced(every, 255.0))[0]) <= 2  # some are nearly symmetric


def test_exact_duplicates_are_those_of_equal_bytes():
    pictures = digits()
    chosen = np.random.default_rng(0).choice(len(pictures), 100, replace=False)
    groups = exact_groups(np.concatenate([pictures, pictures[chosen]]))
    assert (groups[len(pictures) :] == groups[chosen]).all() and several(groups).sum() == 200


def test_near_groups_join_chains_and_exact_ones():
    every, pairs = planted(fields(300), 0.1)
    every = np.concatenate([every, every[:5]])
    examples = Examples("f", every, np.zeros(len(every), np.int64), ("a", "b"))
    groups, _ = near_groups(examples, exact_groups(every), reduced(every, 255.0), np.empty((len(every), 0), np.float32))
    assert all(groups[a] == groups[b] for a, b in pairs) and (groups[:5] == groups[-5:]).all()
    split = np.where(np.arange(len(every)) < 300, 0, 1)
    assert across(groups, split).sum() == len({row for pair in pairs for row in pair} | {*range(5)}) + 5


@pytest.mark.parametrize("columns", [3, 10, 40])
def test_rows_with_a_little_noise_are_found(columns):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2000, columns)).astype(np.float32)
    chosen = rng.choice(2000, 100, replace=False)
    copies = rows[chosen] + rng.normal(0, 1e-4, (100, columns)).astype(np.float32)
    found = {tuple(pair) for pair in near_rows(np.concatenate([rows, copies]))[0].tolist()}
    pairs = {(int(of), 2000 + n) for n, of in enumerate(chosen)}
    assert len(found & pairs) >= 95 and len(found - pairs) <= 5
    assert len(near_rows(rows)[0]) <= 2


def test_rows_of_one_number_and_categories_are_close_by_nature():
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(size=(300, 1)), np.eye(5)[rng.integers(0, 5, 300)]], 1)
    rows = ((rows - rows.mean(0)) / rows.std(0)).astype(np.float32)
    assert len(near_rows(rows)[0]) <= 4  # 8 with a bound that is rare in three dimensions alone


def test_neighbours_are_those_of_scikit_learn(monkeypatch):
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 5, (30, 8))
    keys = (centres[rng.integers(0, 30, 3000)] + rng.normal(size=(3000, 8))).astype(np.float32)
    expected_distance, expected = NearestNeighbors(n_neighbors=5).fit(keys).kneighbors(keys[:500])
    index, distance = neighbours(keys, keys[:500], 5)
    assert (index == expected).mean() > 0.999
    np.testing.assert_allclose(distance[:, 1:], expected_distance[:, 1:], rtol=1e-3, atol=1e-2)
    monkeypatch.setattr("sweeper.trial.inspect.neighbours.EXACT", 1000)  # the way of many keys
    index, _ = neighbours(keys, keys[:500], 5)
    assert (index == expected).mean() > 0.99
