"""Bugs of models and losses that people report: states cut off, heads, positions, terms of several tasks, padding."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from plants import adam, bug, digits, digits_program, loader, mlp
from torch import nn

from bugs.model import Lambda
from bugs.reported_models import Recurrent, has_three, tokens_mask
from bugs.threads_models import sines


@bug("model", "the state is detached at each step", "detached_graph", "input_used")
def detached_state(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.head = nn.GRUCell(8, 32), nn.Linear(32, 10)

        def forward(self, x):
            h = torch.zeros(len(x), 32)
            for row in x[:, 0].unbind(1):
                h = self.cell(row, h.detach())
            return self.head(h)

    return digits_program(Net(), seed)


class Heads(nn.Module):
    """Attention over the rows of digits, four heads; ``merge`` makes one vector a row of them."""

    def __init__(self, merge):
        super().__init__()
        self.first, self.qkv, self.head = nn.Linear(8, 32), nn.Linear(32, 96), nn.Linear(32, 10)
        self.merge, self.place = merge, nn.Parameter(0.3 * torch.randn(8, 32))

    def forward(self, x):
        h = self.first(x[:, 0]) + self.place
        b, t, width = h.shape
        q, k, v = self.qkv(h).view(b, t, 3, 4, width // 4).permute(2, 0, 3, 1, 4)
        out = (q @ k.transpose(-1, -2) / math.sqrt(8)).softmax(-1) @ v
        return self.head((h + self.merge(out, b, t, width)).mean(1))


@bug("model", "heads merged without a transpose back", "heads_merged")
def merged_wrongly(seed):
    return digits_program(Heads(lambda out, b, t, width: out.reshape(b, t, width)), seed)


@bug("model", "heads merged without a transpose back, by the fused attention", "heads_merged")
def merged_fused(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.place = nn.Embedding(12, 32), nn.Embedding(10, 32)
            self.qkv, self.head = nn.Linear(32, 96), nn.Linear(32, 2)

        def forward(self, tokens, mask):
            h = self.embed(tokens) + self.place.weight
            q, k, v = self.qkv(h).view(len(h), 10, 3, 4, 8).permute(2, 0, 3, 1, 4)
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
            h = h + out.contiguous().view(len(h), 10, 32)
            return self.head((h * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))

    tokens, mask, _, labels = tokens_mask(seed)
    return has_three(Net(), tokens, mask, labels)


@bug("model", "packed by lengths in another order than the sequences", "mask_used", "independent_examples")
def lengths_sorted(seed):
    tokens, _, lengths, labels = tokens_mask(seed)

    class Net(Recurrent):
        def forward(self, tokens, lengths):
            packed = nn.utils.rnn.pack_padded_sequence(
                self.embed(tokens), lengths.sort(descending=True).values, batch_first=True
            )
            return self.head(self.rnn(packed)[1][-1])

    return has_three(Net(), tokens, lengths, labels)


def two_tasks(seed, weight, scale=1.0):
    """The class and the brightness of digits, by two heads."""
    x, y, vx, vy = digits(seed)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU())
            self.kind, self.light = nn.Linear(64, 10), nn.Linear(64, 1)

        def forward(self, x):
            h = self.body(x)
            return self.kind(h), self.light(h)[:, 0]

    def loss(raw, targets):
        kind, light = raw
        return F.cross_entropy(kind, targets[:, 0].long()) + weight * F.mse_loss(light, scale * targets[:, 1])

    model = Net()
    pairs = [torch.stack([t.float(), i.mean((1, 2, 3)) * 5], 1) for i, t in ((x, y), (vx, vy))]
    return {"model": model, "loss": loss, "data": loader(x, pairs[0]), "val": loader(vx, pairs[1], shuffle=False),
            "optimizer": adam(model)}  # fmt: skip


@bug("loss", "a second task's loss in another unit dwarfs the first", "task_shares")
def dwarfed(seed):
    return two_tasks(seed, 1e3)


@bug("model", "rotary angles of the heads' numbers, not of the places", "positions_used")
def rotary_heads(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.qkv, self.head = nn.Embedding(12, 32), nn.Linear(32, 96), nn.Linear(32, 2)
            self.register_buffer("positions", sines(10, 8))

        def turned(self, x):
            angle = self.positions[: x.shape[1], ::2][None, :, None]  # (batch, heads, places, width) it is
            a, b = x[..., ::2], x[..., 1::2]
            return torch.stack([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], -1).flatten(-2)

        def forward(self, tokens):
            h = self.embed(tokens)
            q, k, v = self.qkv(h).view(len(h), 10, 3, 4, 8).permute(2, 0, 3, 1, 4)
            out = F.scaled_dot_product_attention(self.turned(q), self.turned(k), v)
            return self.head((h + out.transpose(1, 2).flatten(2)).mean(1))

    g = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, 12, (1200, 10), generator=g)
    labels = (tokens[:, :5].float().mean(1) > tokens[:, 5:].float().mean(1)).long()
    model = Net()
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": (tokens, labels), "optimizer": adam(model, 3e-3)}


@bug("model", "the mean over time of padded outputs divided by the longest length", "mask_used")
def longest(seed):
    tokens, mask, _, labels = tokens_mask(seed)
    model = Lambda(lambda m, t, k: m["h"](m["e"](t).cumsum(1)[:, -1] / k.sum(1, keepdim=True)),
                   e=nn.Embedding(12, 16), h=nn.Linear(16, 2))  # fmt: skip
    return has_three(model, tokens, mask, labels)


@bug("model", "batch norm's momentum of another library: 0.99 of the new batch", "train_eval_gap")
def momentum_of_others(seed):
    x, y, *_ = digits(seed)
    return digits_program(mlp(middle=[nn.BatchNorm1d(64, momentum=0.99)]), seed, data=loader(x, y, size=16))


def soft_digits(seed, own, loss):
    """Digits whose targets are shares of the classes, ``own`` of them the right one's beside equal parts."""
    x, y, vx, vy = digits(seed)
    soft = [F.one_hot(t, 10).float() * own + (1 - own) / 10 for t in (y, vy)]
    return digits_program(mlp(), seed, data=loader(x, soft[0]), val=loader(vx, soft[1], shuffle=False), loss=loss)


@bug("loss", "the divergence averaged over the classes too", "loss_mean")
def divergence_mean(seed):
    return soft_digits(seed, 0.9, lambda o, t: F.kl_div(o.log_softmax(1), t))


@bug("loss", "labels smoothed in the data and in the loss", "right_loss")
def smoothed_twice(seed):
    return soft_digits(seed, 0.6, nn.CrossEntropyLoss(label_smoothing=0.4))
