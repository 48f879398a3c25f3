"""Bugs of data that people report: classes, tokens and columns that mean another thing elsewhere, units, splits."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from plants import adam, bug, cnn, digits, digits_program, loader, mlp, table
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

from bugs.model import Lambda
from sweeper.trial.data import sklearn_tables


def digits_batches(seed, collate, size=8):
    """Digits in small batches that a function of one's own puts together."""
    x, y, *_ = digits(seed)
    return digits_program(mlp(), seed, data=DataLoader(TensorDataset(x, y), size, shuffle=True, collate_fn=collate))


def stacked(items):
    return torch.stack([x for x, _ in items]), torch.stack([y for _, y in items])


@bug("data", "labels numbered anew in each batch, as sorted", "labels_same")
def numbered_in_collate(seed):
    def collate(items):
        x, y = stacked(items)
        return x, torch.unique(y, return_inverse=True)[1]

    return digits_batches(seed, collate)


@bug("data", "labels numbered anew in each batch, as they come", "labels_same")
def numbered_as_they_come(seed):
    def collate(items):
        x, y = stacked(items)
        seen = {}
        return x, torch.tensor([seen.setdefault(int(label), len(seen)) for label in y])

    return digits_batches(seed, collate, 32)


@bug("data", "labels numbered in each split, two classes are in one alone", "splits_agree")
def numbered_by_split(seed):
    x, y, vx, vy = digits(seed)
    kept = (vy != 2) & (vy != 5)
    val = loader(vx[kept], torch.unique(vy[kept], return_inverse=True)[1], shuffle=False)
    return digits_program(mlp(), seed, data=loader(x, y), val=val)


@bug("data", "split at a row of data sorted by class", "splits_agree")
def split_sorted(seed):
    x, y, vx, vy = digits(seed)
    x, y = torch.cat([x, vx]), torch.cat([y, vy])
    order = y.argsort(stable=True)
    x, y = x[order], y[order]
    return digits_program(mlp(), seed, data=loader(x[:1400], y[:1400]), val=loader(x[1400:], y[1400:], shuffle=False))


@bug("data", "the split is drawn anew for each loader", "split_overlap")
def drawn_anew(seed):
    x, y, vx, vy = digits(seed)
    whole = TensorDataset(torch.cat([x, vx]), torch.cat([y, vy]))
    train, _ = random_split(whole, [1400, len(whole) - 1400])
    _, val = random_split(whole, [1400, len(whole) - 1400])
    return digits_program(mlp(), seed, data=DataLoader(train, 64, shuffle=True), val=DataLoader(val, 64))


def heart(seed, change=None, val_change=None):
    """The breast cancer table, changed before it is given."""
    x, y, vx, vy = table("breast_cancer", seed)
    x, vx = (change(x), change(vx)) if change else (x, vx)
    vx = val_change(vx) if val_change else vx
    model = mlp(30, 2)
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": loader(x, y, size=32),
            "val": loader(vx, vy, shuffle=False), "optimizer": adam(model)}  # fmt: skip


@bug("data", "a column of validation is in another unit", "split_scale")
def other_unit(seed):
    return heart(seed, val_change=lambda x: torch.cat([x[:, :7], 100 * x[:, 7:8] + 300, x[:, 8:]], 1))


@bug("data", "each channel of colours is standardised by the others' numbers", "input_scale")
def channels_mixed(seed):
    x, y, vx, vy = digits(seed)
    colours = torch.tensor([0.05, 0.5, 0.9]).view(1, 3, 1, 1)
    x, vx = (t.repeat(1, 3, 1, 1) * 0.02 + colours for t in (x, vx))
    mean, std = x.mean((0, 2, 3)).flip(0).view(1, 3, 1, 1), x.std((0, 2, 3)).view(1, 3, 1, 1)
    x, vx = ((t - mean) / std for t in (x, vx))
    return digits_program(cnn(10, 3), seed, data=loader(x, y), val=loader(vx, vy, shuffle=False))


@bug("data", "validation's columns are in another order", "columns_agree")
def other_order(seed):
    return heart(seed, val_change=lambda x: x[:, torch.randperm(30)])


@bug("data", "a column of validation is missing and filled with 0", "columns_agree")
def column_lost(seed):
    return heart(seed, val_change=lambda x: torch.cat([x[:, :7], torch.zeros(len(x), 1), x[:, 8:]], 1))


def raw_heart(seed, change):
    """The same from its numbers as they are, standardised after a change."""
    examples = sklearn_tables.breast_cancer()
    order = np.random.default_rng(seed).permutation(len(examples.targets))
    x, y = torch.tensor(examples.inputs[order], dtype=torch.float32), torch.tensor(examples.targets[order])
    x = change(x)
    model = mlp(30, 2)
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": loader(x[:455], y[:455], size=32),
            "val": loader(x[455:], y[455:], shuffle=False), "optimizer": adam(model)}  # fmt: skip


@bug("data", "missing values are -999, standardised with the others", "sentinel_values")
def sentinel(seed):
    def change(x):
        gone = torch.rand(len(x)) < 0.1
        x[gone, 3] = -999.0
        x[gone.roll(5), 9] = -999.0
        return (x - x[:455].mean(0)) / x[:455].std(0)

    return raw_heart(seed, change)


@bug("data", "each row is normalised, not each column (sklearn's normalize)", "row_scale")
def rows_by_norm(seed):
    return raw_heart(seed, lambda x: F.normalize(x, dim=1))


@bug("data", "each row is standardised, not each column", "row_scale")
def rows_standardised(seed):
    return raw_heart(seed, lambda x: (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True))


def texts(seed, count=1200, words=60):
    """Sentences of 12 words whose topic, of three, makes some more frequent; as words of a Zipf law."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    shares = 1 / np.arange(1, words + 1)
    tokens = np.empty((count, 12), int)
    for topic in range(3):
        of = shares * np.where(np.arange(words) % 3 == topic, 3, 1)
        rows = labels == topic
        tokens[rows] = rng.choice(words, (rows.sum(), 12), p=of / of.sum())
    names = rng.permutation(words)  # the order of the alphabet is not that of frequency
    return names[tokens], labels


def topics(train, val, words=62):
    (tokens, labels), (v_tokens, v_labels) = train, val
    model = Lambda(lambda m, t: m["h"](m["e"](t).mean(1)), e=nn.Embedding(words, 32), h=nn.Linear(32, 3))
    return {"model": model, "loss": nn.CrossEntropyLoss(),
            "data": loader(torch.tensor(tokens), torch.tensor(labels)), "optimizer": adam(model, 3e-3),
            "val": loader(torch.tensor(v_tokens), torch.tensor(v_labels), shuffle=False)}  # fmt: skip


@bug("data", "validation's tokens are one up: a special token more", "tokens_agree")
def one_up(seed):
    tokens, labels = texts(seed)
    return topics((tokens[:1000], labels[:1000]), (tokens[1000:] + 1, labels[1000:]))


@bug("data", "next token, validation's vocabulary is another", "tokens_agree")
def language_up(seed):
    return language(seed, lambda tokens: np.random.default_rng(seed).permutation(60)[tokens])


def language(seed, in_validation):
    """The next token of such texts."""
    tokens, _ = texts(seed)
    other = in_validation(tokens[1000:])
    model = Lambda(lambda m, t: m["h"](m["r"](m["e"](t))[0]), e=nn.Embedding(60, 32),
                   r=nn.GRU(32, 32, batch_first=True), h=nn.Linear(32, 60))  # fmt: skip
    pair = [(torch.tensor(t[:, :-1]), torch.tensor(t[:, 1:])) for t in (tokens[:1000], other)]
    return {"model": model, "loss": lambda o, t: F.cross_entropy(o.flatten(0, 1), t.flatten()), "causal": True,
            "data": loader(*pair[0]), "val": loader(*pair[1], shuffle=False),
            "optimizer": adam(model, 3e-3)}  # fmt: skip


@bug("data", "categories' codes made in each split as they come", "splits_agree")
def own_codes(seed):
    rng = np.random.default_rng(seed)
    shares = np.array([0.35, 0.25, 0.15, 0.1, 0.07, 0.05, 0.03])
    codes = rng.choice(7, (1500, 3), p=shares)
    effects = rng.normal(size=(3, 7))
    y = (effects[np.arange(3), codes].sum(1) + 0.5 * rng.normal(size=1500) > 0).astype(np.int64)

    def numbered(rows):
        return np.stack([np.random.default_rng(len(rows) + i).permutation(7)[c] for i, c in enumerate(rows.T)], 1)

    model = Lambda(lambda m, c: m["n"](torch.cat([m["abc"[i]](c[:, i]) for i in range(3)], 1)),
                   a=nn.Embedding(7, 4), b=nn.Embedding(7, 4), c=nn.Embedding(7, 4), n=mlp(12, 2))  # fmt: skip
    x, y = [torch.tensor(numbered(c)) for c in (codes[:1100], codes[1100:])], torch.tensor(y)
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": loader(x[0], y[:1100]),
            "val": loader(x[1], y[1100:], shuffle=False), "optimizer": adam(model, 3e-3)}  # fmt: skip


@bug("data", "a generator that is used up after one epoch", "loader_repeats")
def used_up(seed):
    x, y, *_ = digits(seed)

    class Once:
        def __init__(self):
            self.batches = iter(DataLoader(TensorDataset(x, y), 64, shuffle=True))

        def __iter__(self):
            return self.batches

        def __len__(self):
            return 22

    return digits_program(mlp(), seed, data=Once())


def brighter(seed, bound):
    """Digits in [0, 1], made brighter as bytes that ``bound`` takes from whole numbers."""
    x, y, vx, vy = digits(seed)
    low, high = x.min(), x.max()
    x, vx = ((t - low) / (high - low) for t in (x, vx))

    def augment(x):
        return bound((x * 255).int() + torch.randint(0, 60, (len(x), 1, 1, 1))).float() / 255

    return digits_program(cnn(), seed, data=loader(x, y), val=loader(vx, vy, shuffle=False), augment=augment)


@bug("data", "brightness added to bytes, which wrap round", "augmentation_wraps")
def bytes_wrap(seed):
    return brighter(seed, lambda x: x.to(torch.uint8))
