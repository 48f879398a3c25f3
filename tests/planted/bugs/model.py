from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from plants import Config, adam, bug, cnn, digits, digits_program, loader, mlp, table
from torch import nn


class Lambda(nn.Module):
    def __init__(self, function, **parts):
        super().__init__()
        self.parts = nn.ModuleDict(parts)
        self.function = function

    def forward(self, *inputs):
        return self.function(self.parts, *inputs)


@bug("model", "view in place of permute", "independent_examples")
def view_for_permute(seed):
    net = mlp()
    model = Lambda(lambda m, x: m["net"](x.flatten(1).t().contiguous().view(len(x), -1)), net=net)
    return digits_program(model, seed)


@bug("model", "batch and time axes swapped", "independent_examples")
def batch_time(seed):
    class Rows(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = nn.GRU(8, 32), nn.Linear(32, 10)  # batch_first is left out

        def forward(self, x):
            return self.head(self.rnn(x[:, 0])[0].mean(1))

    return digits_program(Rows(), seed)


@bug("model", "attention over the batch", "independent_examples")
def attention_batch(seed):
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.head = nn.Linear(8, 16), nn.Linear(16, 10)
            self.attention = nn.MultiheadAttention(16, 2)

        def forward(self, x):
            rows = self.first(x[:, 0])
            return self.head((rows + self.attention(rows, rows, rows)[0]).mean(1))

    return digits_program(Attention(), seed)


@bug("model", "softmax over the batch", "independent_examples")
def softmax_batch(seed):
    model = nn.Sequential(mlp(), nn.LogSoftmax(dim=0))
    return digits_program(model, seed, loss=nn.NLLLoss())


@bug("model", "norm by the batch in evaluation", "batch_statistics")
def norm_by_batch(seed):
    return digits_program(mlp(middle=[nn.BatchNorm1d(64, track_running_stats=False)]), seed)


@bug("model", "features centred by the batch's mean", "independent_examples")
def centred(seed):
    first = nn.Linear(64, 32)
    model = Lambda(lambda m, x: m["b"]((h := m["a"](x.flatten(1)).relu()) - h.mean(0)), a=first, b=nn.Linear(32, 10))
    return digits_program(model, seed)


@bug("model", "detached graph (detach)", "detached_graph")
def detached(seed):
    model = Lambda(lambda m, x: m["b"](m["a"](x.flatten(1)).relu().detach()), a=nn.Linear(64, 32), b=nn.Linear(32, 10))
    return digits_program(model, seed)


@bug("model", "detached graph (no_grad around the body)", "detached_graph")
def no_grad(seed):
    def forward(m, x):
        with torch.no_grad():
            hidden = m["a"](x).flatten(1).relu()
        return m["b"](hidden)

    return digits_program(Lambda(forward, a=nn.Conv2d(1, 4, 3), b=nn.Linear(144, 10)), seed)


@bug("model", "unused layer", "unused_parameters")
def unused(seed):
    model = Lambda(
        lambda m, x: m["c"](m["a"](x.flatten(1)).relu()), a=nn.Linear(64, 32), b=nn.Linear(32, 32), c=nn.Linear(32, 10)
    )
    return digits_program(model, seed)


@bug("model", "part of the input ignored", "input_used")
def ignored(seed):
    model = Lambda(lambda m, x: m["net"](x[:, :-1]), net=nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 3)))
    x, y, *_ = table("wine", seed)
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": loader(x, y, size=32), "optimizer": adam(model)}


@bug("model", "a colour channel ignored", "input_used")
def channel_ignored(seed):
    x, y, *_ = digits(seed)
    images = x.expand(-1, 3, -1, -1) + 0.1 * torch.randn(len(x), 3, 8, 8)
    model = Lambda(lambda m, x: m["net"](x[:, :2]), net=cnn(channels=2))
    return digits_program(model, seed, data=loader(images, y), val=None)


@bug("model", "half of the input ignored (config)", "input_used")
def config_ignored(seed):
    return Config(("model._target_=bugs.parts.HalfOfInput",))


def _padded(seed, *, masked):
    """Bags of tokens of several lengths, class: whether token 3 is in it."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, 12, (600, 10), generator=generator)
    mask = torch.arange(10) < torch.randint(4, 11, (600, 1), generator=generator)
    tokens = tokens * mask
    labels = (tokens == 3).any(1).long()

    class Bag(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = nn.Embedding(12, 16), nn.Linear(16, 2)

        def forward(self, tokens, mask):
            hidden = self.embed(tokens).relu()
            if not masked:
                return self.head(hidden.mean(1))
            weight = mask.unsqueeze(2).float()
            return self.head((hidden * weight).sum(1) / weight.sum(1))

    model = Bag()
    return {
        "model": model, "loss": nn.CrossEntropyLoss(), "data": ((tokens, mask), labels), "optimizer": adam(model, 1e-2)
    }  # fmt: skip


@bug("model", "mask ignored", "mask_used")
def mask_ignored(seed):
    return _padded(seed, masked=False)


def language(seed, *, causal=True, shift_in_data=1, shift_in_loss=0):
    """A counting language: each token is the last plus the one before, modulo 11."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, 11, (300, 14), generator=generator)
    for t in range(2, 14):
        tokens[:, t] = (tokens[:, t - 1] + tokens[:, t - 2]) % 11
    length = 14 - max(shift_in_data, 1)

    class Tiny(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.place = nn.Embedding(11, 32), nn.Embedding(14, 32)
            self.attention = nn.MultiheadAttention(32, 2, batch_first=True)
            self.mix, self.head = nn.Linear(32, 64), nn.Linear(64, 11)

        def forward(self, tokens):
            count = tokens.shape[1]
            hidden = self.embed(tokens) + self.place(torch.arange(count))
            mask = torch.full((count, count), float("-inf")).triu(1) if causal else None
            hidden = hidden + self.attention(hidden, hidden, hidden, attn_mask=mask, need_weights=False)[0]
            return self.head(self.mix(hidden).relu())

    def loss(outputs, targets):
        if shift_in_loss:
            outputs, targets = outputs[:, :-shift_in_loss], targets[:, shift_in_loss:]
        return F.cross_entropy(outputs.flatten(0, 1), targets.flatten())

    model = Tiny()
    data = (tokens[:, :length], tokens[:, shift_in_data : shift_in_data + length])
    return {"model": model, "loss": loss, "data": data, "optimizer": adam(model)}


@bug("model", "causal mask left out", "future_hidden")
def sees_future(seed):
    return language(seed, causal=False)


@bug("model", "symmetric init (constant)", "symmetric_units")
def symmetric(seed):
    model = mlp()
    for p in model.parameters():
        nn.init.constant_(p, 0.05)
    return digits_program(model, seed)


@bug("model", "symmetric init (zeros)", "symmetric_units")
def zeros(seed):
    model = mlp()
    for p in model.parameters():
        nn.init.zeros_(p)
    return digits_program(model, seed)


@bug("model", "symmetric init (config)", "symmetric_units")
def config_symmetric(seed):
    return Config(("model._target_=bugs.parts.Constant",))


@bug("model", "init scale too large", "init_scale")
def large_init(seed):
    model = mlp()
    for m in model:
        if isinstance(m, nn.Linear):
            nn.init.normal_(m.weight, std=1.0)
    return digits_program(model, seed)


@bug("model", "init scale too small", "init_scale")
def small_init(seed):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    for m in model:
        if isinstance(m, nn.Linear):
            nn.init.normal_(m.weight, std=1e-4)
    return digits_program(model, seed)


@bug("model", "dead units (bias)", "dead_units")
def dead(seed):
    model = mlp()
    nn.init.constant_(model[1].bias, -8.0)
    return digits_program(model, seed)


@bug("model", "saturated units", "saturated_units", "init_scale")
def saturated(seed):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10))
    nn.init.constant_(model[1].bias, 4.0)
    return digits_program(model, seed)


@bug("model", "vanishing gradients (ten sigmoids)", "gradient_flow", "saturated_units")
def vanishing(seed):
    layers = [part for _ in range(12) for part in (nn.Linear(64, 64), nn.Sigmoid())]
    return digits_program(nn.Sequential(nn.Flatten(), *layers, nn.Linear(64, 10)), seed)


@bug("model", "no nonlinearity", "nonlinear")
def no_nonlinearity(seed):
    return digits_program(nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.Linear(64, 32), nn.Linear(32, 10)), seed)


@bug("model", "activation on logits", "output_activation")
def relu_logits(seed):
    return digits_program(nn.Sequential(mlp(), nn.ReLU()), seed)


@bug("model", "tanh on a regression's output", "output_activation")
def tanh_values(seed):
    x, y, *_ = table("diabetes", seed)
    model = nn.Sequential(mlp(10, 1), nn.Tanh())
    y = (y - y.mean()) / y.std()
    return {"model": model, "loss": lambda o, t: F.mse_loss(o[:, 0], t), "data": loader(x, y), "optimizer": adam(model)}


@bug("model", "poor output bias (regression far from 0)", "last_bias")
def far_targets(seed):
    x, y, *_ = table("diabetes", seed)
    model = mlp(10, 1)
    return {"model": model, "loss": lambda o, t: F.mse_loss(o[:, 0], t), "data": loader(x, y), "optimizer": adam(model)}


@bug("model", "poor output bias (one class)", "last_bias")
def biased(seed):
    model = mlp()
    with torch.no_grad():
        model[-1].bias[3] = 6.0
    return digits_program(model, seed)


@bug("model", "last layer too large", "loss_at_init", "init_scale")
def large_head(seed):
    model = mlp()
    with torch.no_grad():
        model[-1].weight.mul_(6)
    return digits_program(model, seed)


@bug("model", "dropout active in eval", "dropout_in_eval")
def dropout_eval(seed):
    model = Lambda(
        lambda m, x: m["b"](F.dropout(m["a"](x.flatten(1)).relu(), 0.5)), a=nn.Linear(64, 32), b=nn.Linear(32, 10)
    )
    return digits_program(model, seed)


@bug("model", "wrong shape", "model_runs")
def wrong_shape(seed):
    return digits_program(mlp(features=65), seed)
