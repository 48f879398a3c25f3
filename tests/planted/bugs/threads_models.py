"""Bugs out of threads and issues, in models.

SwiftFormer#2 (a softmax over one), annotated_deep_learning_paper_implementations#146 and a notebook on vision
transformers (softmax over the queries), DiffPoseTalk#20 and Kyubyong/transformer#81 (positions that are all alike),
attention-is-all-you-need-pytorch#17 (a norm along time), GRU-D#2 (a gate that is not used), LOTVS-CAP#9 and burn#2701
(the state starts anew at each step), mead-baseline#677 (sorted back in place), and threads about recurrent states.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from plants import adam, bug, digits_program, table
from torch import nn

from bugs.model import language
from bugs.reported_models import Recurrent, has_three, tokens_mask


class Rows(nn.Module):
    """Digits as eight steps of a sequence."""

    def __init__(self, **cell):
        super().__init__()
        self.rnn, self.head = nn.GRU(8, 32, batch_first=True, **cell), nn.Linear(32, 10)


@bug("model", "attention pooling by a softmax over one", "gradient_flow", "unused_parameters")
def softmax_of_one_score(seed):
    class Net(Rows):
        def __init__(self):
            super().__init__()
            self.score = nn.Linear(32, 1)

        def forward(self, x):
            h, _ = self.rnn(x[:, 0])
            return self.head((self.score(h).softmax(-1) * h).sum(1))

    return digits_program(Net(), seed)


class Attention(nn.Module):
    def __init__(self, axis):
        super().__init__()
        self.first, self.qkv, self.head, self.axis = nn.Linear(8, 32), nn.Linear(32, 96), nn.Linear(32, 10), axis

    def forward(self, x):
        b, t, _ = x[:, 0].shape
        h = self.first(x[:, 0])
        q, k, v = self.qkv(h).view(b, t, 3, 4, 8).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-1, -2) / math.sqrt(8)).softmax(self.axis)
        h = h + (weights @ v).transpose(1, 2).reshape(b, t, 32)
        return self.head(h.mean(1))


@bug("model", "attention's softmax over the queries, each sees all", "attention_axis")
def queries(seed):
    return digits_program(Attention(-2), seed)


@bug("model", "attention's softmax over the heads", "attention_axis")
def heads(seed):
    return digits_program(Attention(1), seed)


def sines(length, width, *, position=None):
    """Sines and cosines of positions 0 to ``length``, or of ``position`` (Vaswani et al. 2017)."""
    position = torch.arange(length).float()[:, None] if position is None else position
    rate = torch.exp(torch.arange(0, width, 2).float() * (-math.log(10000.0) / width))
    return torch.stack([(position * rate).sin(), (position * rate).cos()], 2).flatten(1)


class Positions(nn.Module):
    def __init__(self, table, index):
        super().__init__()
        self.register_buffer("pe", table)
        self.index = index

    def forward(self, x):
        return x + self.pe[self.index(x.shape[1])]


def ordered(seed, positions):
    """Does token 1 come before token 2?"""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(3, 12, (800, 10), generator=generator)
    places = torch.stack([torch.randperm(10, generator=generator)[:2] for _ in range(800)])
    tokens.scatter_(1, places, torch.tensor([[1, 2]]).expand(800, 2))
    labels = (places[:, 0] < places[:, 1]).long()

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.position = nn.Embedding(12, 32), positions
            self.body = nn.TransformerEncoderLayer(32, 4, 64, 0.0, batch_first=True)
            self.head = nn.Linear(32, 2)

        def forward(self, tokens):
            h = self.embed(tokens)
            if self.position is not None:
                h = self.position(h)
            return self.head(self.body(h).mean(1))

    model = Net()
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": (tokens, labels), "optimizer": adam(model, 3e-3)}


@bug("model", "one position's encoding for all (an index in place of a slice)", "positions_used")
def one_position(seed):
    return ordered(seed, Positions(sines(64, 32), lambda length: length))


@bug("model", "positions divided as whole numbers: all are 0", "positions_used")
def whole_positions(seed):
    return ordered(seed, Positions(sines(64, 32, position=torch.arange(64)[:, None] // 10000), slice))


@bug("model", "positions computed, but not added", "positions_used")
def positions_left_out(seed):
    class Lost(Positions):
        def forward(self, x):
            x + self.pe[: x.shape[1]]
            return x

    return ordered(seed, Lost(sines(64, 32), slice))


@bug("model", "a norm along time, not along features, in a causal transformer", "future_hidden")
def norm_of_time(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.body = nn.Embedding(11, 32), nn.Linear(32, 32)
            self.recent, self.head = nn.Conv1d(32, 32, 3), nn.Linear(32, 11)

        def forward(self, t):
            h = self.embed(t)
            h = h + self.recent(F.pad(h.transpose(1, 2), (2, 0))).transpose(1, 2)
            h = (h - h.mean(1, keepdim=True)) / (h.std(1, keepdim=True) + 1e-5)
            return self.head(h + self.body(h).relu())

    model = Net()
    return {**language(seed), "model": model, "optimizer": adam(model)}


class Gru(nn.Module):
    """A cell by hand, as reports have it."""

    def __init__(self, *, reset=True, carry=True):
        super().__init__()
        self.r, self.z, self.new = nn.Linear(40, 32), nn.Linear(40, 32), nn.Linear(40, 32)
        self.head, self.reset, self.carry = nn.Linear(32, 10), reset, carry

    def forward(self, x):
        h = x.new_zeros(len(x), 32)
        for step in x[:, 0].unbind(1):
            r, z = (gate(torch.cat([step, h], 1)).sigmoid() for gate in (self.r, self.z))
            n = self.new(torch.cat([step, r * h if self.reset else h], 1)).tanh()
            out = (1 - z) * n + z * h
            h = out if self.carry else h
        return self.head(out)


@bug("model", "the reset gate is computed, but not used", "unused_parameters", "gradient_flow")
def reset_unused(seed):
    return digits_program(Gru(reset=False), seed)


@bug("model", "the state starts anew at each step", "input_used")
def state_anew(seed):
    return digits_program(Gru(carry=False), seed)


@bug("model", "sorted back in place, onto what it is read from", "independent_examples")
def unsorted_in_place(seed):
    tokens, _, lengths, labels = tokens_mask(seed)

    class Net(Recurrent):
        def forward(self, tokens, lengths):
            lengths, order = lengths.sort(descending=True)
            packed = nn.utils.rnn.pack_padded_sequence(self.embed(tokens[order]), lengths, batch_first=True)
            out = self.head(self.rnn(packed)[1][0]).clone()
            for place, row in enumerate(order.tolist()):
                out[row] = out[place].clone()
            return out

    return has_three(Net(), tokens, lengths, labels)


@bug("model", "the first layer's last state of two layers", "unused_parameters", "gradient_flow")
def first_layer_state(seed):
    class Net(Rows):
        def __init__(self):
            super().__init__(num_layers=2)

        def forward(self, x):
            return self.head(self.rnn(x[:, 0])[1][0])

    return digits_program(Net(), seed)


@bug("model", "the backward direction's state at the last step: it has read one", "gradient_flow", "unused_parameters")
def backward_last(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = nn.LSTM(8, 16, batch_first=True, bidirectional=True), nn.Linear(32, 10)

        def forward(self, x):
            return self.head(self.rnn(x[:, 0])[0][:, -1])

    return digits_program(Net(), seed)


@bug("model", "every norm's weight starts at 0, without a way around", "symmetric_units", "dead_units", "gradient_flow")
def zero_norms(seed):
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 64), nn.BatchNorm1d(64),
        nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.zeros_(module.weight)
    return digits_program(model, seed)


@bug("model", "a rectifier after the last layer, targets standardised", "output_activation")
def rectified_values(seed):
    x, y, *_ = table("diabetes", seed)
    model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 1), nn.ReLU(), nn.Flatten(0))
    return {"model": model, "loss": nn.MSELoss(), "data": (x, (y - y.mean()) / y.std()), "optimizer": adam(model)}


@bug("model", "a first layer of one unit", "overfit_batch", "input_used")
def one_unit(seed):
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 1), nn.BatchNorm1d(1), nn.ReLU(), nn.Linear(1, 100), nn.BatchNorm1d(100), nn.ReLU(),
        nn.Linear(100, 10),
    )  # fmt: skip
    return digits_program(model, seed)
