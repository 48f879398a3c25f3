"""Bugs out of public issues, in models.

speechbrain#1124 (the branch's result dropped), perceiver-io#9 (scale upside down), keras#126 (softmax of one output),
pytorch-semseg#214 and geo-deep-learning#113 (a last batch of one), BiDAF-pytorch#26 and hover_net#109 (squeeze),
pytorch#41508 (attention to nothing), and kinds of which forums have many.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from plants import adam, bug, cnn, digits, digits_program, loader, mlp, table
from torch import nn

from bugs.loss import binary, values
from bugs.model import Lambda


@bug("model", "the residual branch's result is overwritten", "unused_parameters")
def branch_dropped(seed):
    def forward(m, x):
        x = m["first"](x.flatten(1)).relu()
        out = m["branch"](x).relu()
        out = x + m["short"](x)  # meant: out + …
        return m["head"](out)

    layers = {name: nn.Linear(32, 32) for name in ("branch", "short")}
    return digits_program(Lambda(forward, first=nn.Linear(64, 32), head=nn.Linear(32, 10), **layers), seed)


@bug("model", "attention scores times the root of their width, not over it", "saturated_units")
def scale_upside_down(seed):
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.place = nn.Linear(8, 64), nn.Parameter(torch.randn(8, 64) * 0.5)
            self.q, self.k, self.v = (nn.Linear(64, 64) for _ in range(3))
            self.scale, self.norm, self.head = 64**-0.5, nn.LayerNorm(64), nn.Linear(64, 10)

        def forward(self, x):
            rows = self.norm(self.first(x[:, 0]) + self.place)
            scores = self.q(rows) @ self.k(rows).transpose(1, 2) / self.scale
            return self.head((rows + scores.softmax(2) @ self.v(rows)).mean(1))

    return digits_program(Attention(), seed)


@bug("model", "softmax of one output", "output_activation")
def softmax_of_one(seed):
    return binary(seed, nn.BCELoss(), nn.Sequential(mlp(30, 1), nn.Softmax(1), nn.Flatten(0)))


@bug("model", "activations rounded (no gradient passes)", "detached_graph", "gradient_flow")
def rounded(seed):
    def forward(m, x):
        return m["b"]((m["a"](x.flatten(1)).relu() * 4).round() / 4)

    return digits_program(Lambda(forward, a=nn.Linear(64, 32), b=nn.Linear(32, 10)), seed)


@bug("model", "outputs clamped to [0, 1], targets standardised", "output_activation")
def clamped_output(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = mlp(10, 1)

        def forward(self, x):
            return torch.clamp(self.net(x), 0, 1)

    return values(seed, lambda o, t: F.mse_loss(o[:, 0], t), Net())


@bug("model", "a first state made for the full batch size", "last_batch")
def fixed_state(seed):
    class Rows(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = nn.GRU(8, 32, batch_first=True), nn.Linear(32, 10)
            self.register_buffer("start", torch.zeros(1, 64, 32))

        def forward(self, x):
            return self.head(self.rnn(x[:, 0], self.start)[0][:, -1])

    return digits_program(Rows(), seed)


@bug("model", "batch norm, and a last batch of one", "last_batch")
def last_of_one(seed):
    x, y, *_ = digits(seed)
    return digits_program(mlp(middle=[nn.BatchNorm1d(64)]), seed, data=loader(x[:1345], y[:1345]), val=None)


@bug("model", "squeeze() takes the axis of a batch of one", "last_batch")
def squeezed(seed):
    x, y, *_ = table("breast_cancer", seed)
    model = Lambda(lambda m, x: m["net"](x).squeeze(), net=mlp(30, 1))
    loss = nn.BCEWithLogitsLoss()
    data = loader(x[:449], y[:449].float())
    return {"model": model, "loss": loss, "data": data, "optimizer": adam(model)}


@bug("model", "the batch size written into a view", "last_batch")
def written_size(seed):
    net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    return digits_program(Lambda(lambda m, x: m["net"](x.view(64, 64)), net=net), seed)


@bug("model", "flattened to the wrong number of features", "model_runs")
def wrong_rows(seed):
    model = Lambda(lambda m, x: m["b"](m["a"](x).relu().view(-1, 72)), a=nn.Conv2d(1, 4, 3), b=nn.Linear(72, 10))
    return digits_program(model, seed)


@bug("model", "attention of examples that are padding alone", "model_runs")
def nothing_to_attend(seed):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, 12, (600, 10), generator=generator)
    lengths = torch.randint(0, 11, (600, 1), generator=generator)
    padding = torch.arange(10) >= lengths
    tokens = tokens.masked_fill(padding, 0)

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = nn.Embedding(12, 32), nn.Linear(32, 2)
            self.attention = nn.MultiheadAttention(32, 2, batch_first=True)

        def forward(self, tokens, padding):
            h = self.embed(tokens)
            return self.head((h + self.attention(h, h, h, key_padding_mask=padding, need_weights=False)[0])[:, 0])

    model = Encoder()
    data = ((tokens, padding), (tokens == 3).any(1).long())
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": data, "optimizer": adam(model)}


@bug("model", "the last example in place of the last step", "model_runs")
def last_example(seed):
    class Rows(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = nn.LSTM(8, 32, batch_first=True), nn.Linear(32, 10)

        def forward(self, x):
            return self.head(self.rnn(x[:, 0])[0][-1])

    return digits_program(Rows(), seed)


@bug("model", "each picture over its own deviation, some are blank", "model_runs")
def blank(seed):
    x, y, *_ = digits(seed)
    x = x.clone()
    x[::50] = 0.0
    model = Lambda(lambda m, x: m["net"]((x - x.mean((1, 2, 3), True)) / x.std((1, 2, 3), keepdim=True)), net=cnn())
    return digits_program(model, seed, data=loader(x, y), val=None)


@bug("model", "own weights drawn by torch.rand", "init_scale", "loss_at_init")
def positive_weights(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.w1, self.b1 = nn.Parameter(torch.rand(64, 128)), nn.Parameter(torch.zeros(128))
            self.w2, self.b2 = nn.Parameter(torch.rand(128, 10)), nn.Parameter(torch.zeros(10))

        def forward(self, x):
            return (x.flatten(1) @ self.w1 + self.b1).relu() @ self.w2 + self.b2

    return digits_program(Net(), seed)


@bug("model", "logits that are cosines, without a scale", "output_activation", "overfit_batch")
def cosines(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.classes = mlp(outputs=32), nn.Parameter(torch.randn(10, 32))

        def forward(self, x):
            return F.normalize(self.body(x)) @ F.normalize(self.classes).T

    return digits_program(Net(), seed)


@bug("model", "the activation's result is thrown away", "nonlinear")
def thrown_away(seed):
    def forward(m, x):
        x = m["a"](x.flatten(1))
        F.relu(x)
        return m["b"](x)

    return digits_program(Lambda(forward, a=nn.Linear(64, 64), b=nn.Linear(64, 10)), seed)


@bug("model", "features normalised along the batch", "independent_examples")
def normalised_batch(seed):
    model = Lambda(
        lambda m, x: m["b"](F.normalize(m["a"](x.flatten(1)).relu(), dim=0)), a=nn.Linear(64, 32), b=nn.Linear(32, 10)
    )
    return digits_program(model, seed)


@bug("model", "padding in front of left-padded text read as text: the state starts in it", "mask_used")
def reads_padding(seed):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, 12, (600, 10), generator=generator)
    mask = torch.arange(10) >= torch.randint(0, 7, (600, 1), generator=generator)
    tokens = tokens * mask

    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.rnn, self.head = nn.Embedding(12, 16), nn.GRU(16, 32, batch_first=True), nn.Linear(32, 2)

        def forward(self, tokens, mask):
            return self.head(self.rnn(self.embed(tokens))[0][:, -1])

    model = Last()
    data = ((tokens, mask), (tokens == 3).any(1).long())
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": data, "optimizer": adam(model, 1e-2)}


@bug("model", "a new random projection in each forward pass", "dropout_in_eval")
def new_projection(seed):
    model = Lambda(lambda m, x: m["b"]((x.flatten(1) @ torch.randn(64, 32) / 8).relu()), b=nn.Linear(32, 10))
    return digits_program(model, seed)


@bug("model", "a layer made anew in each forward pass", "dropout_in_eval", "registered_parameters")
def new_layer(seed):
    model = Lambda(lambda m, x: m["b"](nn.Linear(64, 32)(x.flatten(1)).relu()), b=nn.Linear(32, 10))
    return digits_program(model, seed)


@bug("model", "pooled to one number before the head", "input_used", "overfit_batch")
def pooled(seed):
    model = Lambda(lambda m, x: m["b"](m["a"](x).relu().mean((1, 2, 3))[:, None]),
                   a=nn.Conv2d(1, 8, 3), b=nn.Linear(1, 10))  # fmt: skip
    return digits_program(model, seed)
