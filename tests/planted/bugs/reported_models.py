"""Bugs out of reports, in models: pytorch#4145 (states of both directions), torchTextClassifiers#92 and bert_nli#3
(masks), and threads about norms, padding and dropout."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from plants import adam, bug, digits, digits_program, loader, mlp
from torch import nn

from bugs.model import Lambda, language


@bug("model", "states of both directions joined by view", "independent_examples")
def states_view(seed):
    class Rows(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = nn.GRU(8, 16, batch_first=True, bidirectional=True), nn.Linear(32, 10)

        def forward(self, x):
            return self.head(self.rnn(x[:, 0])[1].view(len(x), -1))

    return digits_program(Rows(), seed)


@bug("model", "batch norm with batches of one", "train_eval_gap")
def batch_of_one(seed):
    x, y, *_ = digits(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )
    return digits_program(model, seed, data=loader(x[:300], y[:300], size=1), val=None)


@bug("model", "layer norm over an axis of one", "input_used")
def norm_of_one(seed):
    model = Lambda(
        lambda m, x: m["b"](m["n"](m["a"](x.flatten(1)).unsqueeze(2)).squeeze(2).relu()),
        a=nn.Linear(64, 32),
        n=nn.LayerNorm(1),
        b=nn.Linear(32, 10),
    )
    return digits_program(model, seed)


@bug("model", "dropout on the logits", "dropout_on_outputs")
def dropout_logits(seed):
    return digits_program(nn.Sequential(mlp(), nn.Dropout(0.5)), seed)


@bug("model", "padding_idx is a real token", "tokens_used")
def padding_idx(seed):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, 12, (600, 10), generator=generator)
    labels = (tokens == 3).any(1).long()
    model = Lambda(lambda m, t: m["h"](m["e"](t).mean(1)), e=nn.Embedding(12, 16, padding_idx=3), h=nn.Linear(16, 2))
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": (tokens, labels), "optimizer": adam(model, 1e-2)}


@bug("model", "the forward pass changes its inputs in place", "inputs_kept")
def in_place_input(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = mlp()

        def forward(self, x):
            x -= 0.5
            return self.net(x)

    return digits_program(Net(), seed)


def tokens_mask(seed):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, 12, (600, 10), generator=generator)
    lengths = torch.randint(4, 11, (600,), generator=generator)
    mask = torch.arange(10) < lengths[:, None]
    tokens = tokens * mask
    return tokens, mask, lengths, (tokens == 3).any(1).long()


class Attend(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.embed, self.qkv, self.head, self.kind = nn.Embedding(12, 16), nn.Linear(16, 48), nn.Linear(16, 2), kind

    def forward(self, tokens, mask):
        q, k, v = self.qkv(self.embed(tokens)).chunk(3, 2)
        if self.kind == "inverted":
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=~mask[:, None, :])
        elif self.kind == "added":
            out = ((q @ k.transpose(1, 2) / 4 + (~mask)[:, None, :].float()).softmax(-1)) @ v
        else:
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, :].expand(-1, 10, -1))
            if self.kind == "mean":
                return self.head(out.mean(1))
        return self.head((out * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True))


def attends(seed, kind):
    tokens, mask, _, labels = tokens_mask(seed)
    return has_three(Attend(kind), tokens, mask, labels)


def has_three(model, tokens, beside, labels, lr=1e-2):
    """Is there a token 3? ``beside`` the tokens goes what says which are padding."""
    return {
        "model": model,
        "loss": nn.CrossEntropyLoss(),
        "data": ((tokens, beside), labels),
        "optimizer": adam(model, lr),
    }


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.rnn, self.head = nn.Embedding(12, 16), nn.GRU(16, 32, batch_first=True), nn.Linear(32, 2)


@bug("model", "scaled_dot_product_attention's mask inverted", "mask_used")
def sdpa_inverted(seed):
    return attends(seed, "inverted")


@bug("model", "a mask of 0 and 1 added to the scores", "mask_used")
def mask_added(seed):
    return attends(seed, "added")


@bug("model", "averaged over padding after masked attention", "mask_used")
def mean_padding(seed):
    return attends(seed, "mean")


@bug("model", "the state after padding, lengths ignored", "mask_used")
def lengths_ignored(seed):
    tokens, _, lengths, labels = tokens_mask(seed)

    class Net(Recurrent):
        def forward(self, tokens, lengths):
            return self.head(self.rnn(self.embed(tokens))[0][:, -1])

    return has_three(Net(), tokens, lengths, labels)


@bug("model", "sorted by length for packing, not sorted back", "independent_examples")
def not_sorted_back(seed):
    tokens, _, lengths, labels = tokens_mask(seed)

    class Net(Recurrent):
        def forward(self, tokens, lengths):
            lengths, order = lengths.sort(descending=True)
            packed = nn.utils.rnn.pack_padded_sequence(self.embed(tokens[order]), lengths, batch_first=True)
            return self.head(self.rnn(packed)[1][0])

    return has_three(Net(), tokens, lengths, labels)


@bug("model", "convolution padded on both sides for the next token", "future_hidden")
def conv_both(seed):
    model = Lambda(
        lambda m, t: m["h"](m["c"](m["e"](t).transpose(1, 2)).transpose(1, 2).relu()),
        e=nn.Embedding(11, 32),
        c=nn.Conv1d(32, 64, 3, padding=1),
        h=nn.Linear(64, 11),
    )
    return {**language(seed), "model": model, "optimizer": adam(model)}


@bug("model", "dropout in a Python list stays active", "dropout_in_eval")
def listed_dropout(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.drop = nn.Linear(64, 64), nn.Linear(64, 10), [nn.Dropout(0.3)]

        def forward(self, x):
            return self.b(self.drop[0](self.a(x.flatten(1)).relu()))

    return digits_program(Net(), seed)


@bug("model", "a gate that starts closed (sigmoid of -60)", "gradient_flow")
def closed_gate(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.gate = mlp(), nn.Parameter(torch.tensor(-60.0))

        def forward(self, x):
            return self.net(x) * self.gate.sigmoid()

    return digits_program(Net(), seed)
