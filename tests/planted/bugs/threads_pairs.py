"""Bugs out of threads and issues, in what is compared with what: pairs, triplets, sequences, penalties, parts.

e2e_sae#70 (parts that are not divided), the documented limit of reentrant checkpoints, and threads about
CosineEmbeddingLoss with labels 0 and 1, a distance as a logit, swapped triplets, temperatures, penalties of ``.data``,
and sequences flattened time first.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from plants import adam, bug, digits, digits_program, loader, mlp
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

from bugs.model import Lambda, language
from bugs.optimisation import stepping
from bugs.threads_training import pairs

SGD = torch.optim.SGD


def both(m, a, b):
    return m["body"](a), m["body"](b)


@bug("loss", "CosineEmbeddingLoss with labels 0 and 1", "class_weights", "right_loss", "pair_labels")
def cosine_zero_one(seed):
    program = pairs(seed, lambda o, t: F.cosine_embedding_loss(*o, t))
    model = Lambda(both, body=mlp(outputs=16))
    return {**program, "model": model, "optimizer": adam(model)}


@bug("loss", "a distance as a logit: no pair can be called the same", "output_activation")
def distance_as_logit(seed):
    return pairs(seed, lambda d, y: F.binary_cross_entropy_with_logits(d, 1 - y))


def three(seed, loss):
    """A digit, another of its class, and one of another."""
    x, y, *_ = digits(seed)
    x, y = x[:600], y[:600]
    generator = torch.Generator().manual_seed(seed)

    def drawn(there):
        return torch.multinomial(there.float(), 1, generator=generator)[:, 0]

    same = y[:, None] == y
    model = Lambda(lambda m, *parts: tuple(m["body"](part) for part in parts), body=mlp(outputs=16))
    data = DataLoader(TensorDataset(x, x[drawn(same)], x[drawn(~same)], y), 64, shuffle=True)
    return {"model": model, "loss": loss, "data": data, "optimizer": adam(model)}


def apart(a, b):
    return F.pairwise_distance(a, b)


@bug("loss", "triplets: the positive and the negative exchanged", "pair_labels", "loss_sign")
def triplets_swapped(seed):
    return three(seed, lambda o, t: (apart(o[0], o[2]) - apart(o[0], o[1]) + 1).relu().mean())


@bug("loss", "scores times the temperature, not over it", "overfit_batch")
def temperature_times(seed):
    x, y, *_ = digits(seed)
    views = tuple(x + 0.2 * torch.randn(x.shape, generator=torch.Generator().manual_seed(seed + i)) for i in range(2))

    def loss(o, t):
        a, b = (F.normalize(part, dim=1) for part in o)
        return F.cross_entropy(a @ b.T * 0.07, torch.arange(len(a)))

    model = Lambda(both, body=mlp(outputs=32))
    return {"model": model, "loss": loss, "data": (views, y), "optimizer": adam(model)}


@bug("loss", "a penalty of .data, which has no gradient", "regularizer_share", "penalty_reaches")
def penalty_of_data(seed):
    model = mlp()

    def loss(o, t):
        return F.cross_entropy(o, t) + 1e-3 * sum(p.data.square().sum() for p in model.parameters())

    return digits_program(model, seed, loss=loss)


class Checkpointed(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x):
        return self.b(checkpoint(lambda t: self.a(t).relu(), x.flatten(1), use_reentrant=True))


@bug("model", "a reentrant checkpoint of the first layers: the inputs need no gradient", "detached_graph")
def reentrant(seed):
    return digits_program(Checkpointed(), seed)


def translated(seed, shift):
    """The next letter of the alphabet for each letter; the decoder is given the target, moved by ``shift``."""
    generator = torch.Generator().manual_seed(seed)
    source = torch.randint(2, 12, (600, 7), generator=generator)
    target = (source - 1) % 10 + 2
    given = torch.cat([torch.ones(600, shift, dtype=torch.long), target], 1)[:, :7]

    class Seq2Seq(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.place = nn.Embedding(12, 32), nn.Embedding(12, 32), nn.Embedding(8, 32)
            self.net, self.head = nn.Transformer(32, 2, 1, 1, 64, 0.1, batch_first=True), nn.Linear(32, 12)

        def forward(self, source, given):
            later, place = torch.ones(7, 7, dtype=torch.bool).triu(1), self.place(torch.arange(7))
            return self.head(self.net(self.a(source) + place, self.b(given) + place, tgt_mask=later))

    model = Seq2Seq()
    loss = lambda o, t: F.cross_entropy(o.flatten(0, 1), t.flatten())  # noqa: E731
    data = DataLoader(TensorDataset(source, given, target), 64, shuffle=True)
    return {"model": model, "loss": loss, "data": data, "optimizer": adam(model)}


@bug("data", "the decoder is given the target itself, not the one before", "target_shift", "target_leakage")
def decoder_not_shifted(seed):
    return translated(seed, 0)


@bug("model", "a causal mask the other way round: it hides the past", "future_hidden")
def hides_past(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.place, self.head = nn.Embedding(11, 32), nn.Embedding(64, 32), nn.Linear(32, 11)
            self.body = nn.TransformerEncoderLayer(32, 2, 64, 0.0, batch_first=True)

        def forward(self, t):
            length = t.shape[1]
            past = torch.ones(length, length, dtype=torch.bool).tril(-1)  # True is hidden
            return self.head(self.body(self.embed(t) + self.place(torch.arange(length)), src_mask=past))

    model = Net()
    return {**language(seed), "model": model, "optimizer": adam(model)}


def time_first(seed, turned):
    """A class a token by a recurrent net that takes time first; targets are (batch, time)."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, 12, (600, 10), generator=generator)
    model = Lambda(lambda m, t: m["h"](m["r"](m["e"](t.T))[0]), e=nn.Embedding(12, 16), r=nn.GRU(16, 32),
                   h=nn.Linear(32, 3))  # fmt: skip
    loss = lambda o, t: F.cross_entropy(o.reshape(-1, 3), (t.T if turned else t).reshape(-1))  # noqa: E731
    return {"model": model, "loss": loss, "data": loader(tokens, tokens % 3), "optimizer": adam(model)}


@bug("loss", "outputs time first, targets batch first, both flattened", "loss_broadcast")
def flattened_time_first(seed):
    return time_first(seed, False)


def in_parts(seed, divided):
    """A step that is called for each of four parts, and updates at the last."""
    calls = [0]

    def step(model, optimizer, x, y):
        (F.cross_entropy(model(x), y) / (4 if divided else 1)).backward()
        calls[0] += 1
        if calls[0] % 4 == 0:
            optimizer.step()
            optimizer.zero_grad()

    return stepping(seed, step)


@bug("optimisation", "updates once in four calls, of losses that are not divided", "gradient_scale")
def undivided_calls(seed):
    return in_parts(seed, False)


@bug("optimisation", "updates at each call, clears once in four", "fresh_gradients", "gradient_scale")
def cleared_rarely(seed):
    calls = [0]

    def step(model, optimizer, x, y):
        if calls[0] % 4 == 0:
            optimizer.zero_grad()
        calls[0] += 1
        (F.cross_entropy(model(x), y) / 4).backward()
        optimizer.step()

    return stepping(seed, step)
