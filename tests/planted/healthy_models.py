"""Healthy models of unusual kinds: no verdict may fail."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from bugs.evaluation import right
from bugs.model import language
from bugs.reported_models import attends, has_three, tokens_mask
from plants import adam, digits, digits_program, healthy, loader, mlp
from torch import nn
from torch.utils.checkpoint import checkpoint

SGD = torch.optim.SGD


@healthy("vision transformer, pre-norm, class token")
def vit(seed):
    class Vit(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch = nn.Conv2d(1, 32, 2, 2)
            self.cls, self.pos = nn.Parameter(torch.zeros(1, 1, 32)), nn.Parameter(torch.randn(1, 17, 32) * 0.02)
            layer = nn.TransformerEncoderLayer(32, 4, 64, 0.1, "gelu", batch_first=True, norm_first=True)
            self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 10)

        def forward(self, x):
            t = self.patch(x).flatten(2).transpose(1, 2)
            t = torch.cat([self.cls.expand(len(x), -1, -1), t], 1) + self.pos
            return self.head(self.norm(self.body(t)[:, 0]))

    model = Vit()
    return digits_program(model, seed, optimizer=torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.05))


@healthy("GPT: pre-norm, tied embeddings, drop-out, SDPA")
def gpt(seed):
    class Gpt(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.place = nn.Embedding(11, 32), nn.Embedding(14, 32)
            self.n1, self.n2, self.n3 = nn.LayerNorm(32), nn.LayerNorm(32), nn.LayerNorm(32)
            self.qkv, self.out = nn.Linear(32, 96), nn.Linear(32, 32)
            self.mlp = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32), nn.Dropout(0.1))
            self.head = nn.Linear(32, 11, bias=False)
            for m in self.modules():
                if isinstance(m, (nn.Linear, nn.Embedding)):
                    nn.init.normal_(m.weight, std=0.08)
            self.head.weight = self.embed.weight

        def forward(self, t):
            h = self.embed(t) + self.place(torch.arange(t.shape[1]))
            q, k, v = (a.view(len(t), -1, 2, 16).transpose(1, 2) for a in self.qkv(self.n1(h)).chunk(3, 2))
            a = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(h.shape)
            h = h + self.out(a)
            h = h + self.mlp(self.n2(h))
            return self.head(self.n3(h))

    model = Gpt()
    return {**language(seed), "model": model, "optimizer": torch.optim.AdamW(model.parameters(), lr=1e-3)}


@healthy("gradient checkpointing")
def checkpointed(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10)
            self.drop = nn.Dropout(0.2)

        def forward(self, x):
            x = self.a(x.flatten(1)).relu()
            x = checkpoint(lambda h: self.drop(self.b(h).relu()), x, use_reentrant=False)
            return self.c(x)

    return digits_program(Net(), seed)


@healthy("double precision throughout")
def double(seed):
    x, y, vx, vy = digits(seed)
    model = mlp().double()
    return digits_program(model, seed, data=loader(x.double(), y), val=loader(vx.double(), vy, shuffle=False))


@healthy("self-normalising net, alpha dropout")
def selu(seed):
    layers = []
    for _i in range(6):
        layers += [nn.Linear(64, 64), nn.SELU(), nn.AlphaDropout(0.05)]
    model = nn.Sequential(nn.Flatten(), *layers, nn.Linear(64, 10))
    for m in model.modules():
        if isinstance(m, nn.Linear):
            nn.init.normal_(m.weight, std=1 / math.sqrt(m.in_features))
            nn.init.zeros_(m.bias)
    return digits_program(model, seed)


@healthy("MLP mixer, layer norm only")
def mixer(seed):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.n1, self.n2 = nn.LayerNorm(32), nn.LayerNorm(32)
            self.tokens = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))
            self.channels = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32))

        def forward(self, x):
            x = x + self.tokens(self.n1(x).transpose(1, 2)).transpose(1, 2)
            return x + self.channels(self.n2(x))

    class Mixer(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch, self.blocks = nn.Conv2d(1, 32, 2, 2), nn.Sequential(Block(), Block())
            self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 10)

        def forward(self, x):
            return self.head(self.norm(self.blocks(self.patch(x).flatten(2).transpose(1, 2))).mean(1))

    return digits_program(Mixer(), seed)


@healthy("frozen backbone with batch norm kept in evaluation mode")
def backbone(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten()
            )
            self.head = nn.Linear(512, 10)
            self.body.requires_grad_(False)

        def train(self, mode=True):
            super().train(mode)
            self.body.eval()
            return self

        def forward(self, x):
            return self.head(self.body(x))

    model = Net()
    return digits_program(model, seed, optimizer=adam(model.head), evaluate=right)


@healthy("weight norm and spectral norm")
def parametrized(seed):
    model = nn.Sequential(
        nn.Flatten(),
        nn.utils.parametrizations.weight_norm(nn.Linear(64, 64)),
        nn.ReLU(),
        nn.utils.parametrizations.spectral_norm(nn.Linear(64, 64)),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    return digits_program(model, seed)


@healthy("bidirectional LSTM, packed by lengths")
def packed(seed):
    tokens, _, lengths, labels = tokens_mask(seed)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.rnn = (
                nn.Embedding(12, 16, padding_idx=0),
                nn.LSTM(16, 32, batch_first=True, bidirectional=True),
            )
            self.head = nn.Linear(64, 2)

        def forward(self, tokens, lengths):
            p = nn.utils.rnn.pack_padded_sequence(
                self.embed(tokens), lengths.cpu(), batch_first=True, enforce_sorted=False
            )
            h = self.rnn(p)[1][0]
            return self.head(torch.cat([h[0], h[1]], 1))

    return has_three(Net(), tokens, lengths, labels, lr=3e-3)


@healthy("masked attention by SDPA")
def sdpa(seed):
    return attends(seed, "right")


@healthy("SIREN: coordinates to brightness")
def siren(seed):
    x, *_ = digits(seed)
    image = F.interpolate(x[seed % 10][None], 24, mode="bilinear")[0, 0]
    axis = torch.linspace(-1, 1, 24)
    coords = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), 2).reshape(-1, 2)

    class Sine(nn.Module):
        def __init__(self, i, o, w, first=False):
            super().__init__()
            self.lin, self.w = nn.Linear(i, o), w
            bound = 1 / i if first else math.sqrt(6 / i) / w
            nn.init.uniform_(self.lin.weight, -bound, bound)

        def forward(self, x):
            return torch.sin(self.w * self.lin(x))

    model = nn.Sequential(Sine(2, 64, 10.0, True), Sine(64, 64, 10.0), nn.Linear(64, 1))
    return {
        "model": model,
        "loss": lambda o, t: F.mse_loss(o[:, 0], t),
        "data": loader(coords, image.flatten()),
        "optimizer": adam(model),
    }


@healthy("residual net, last norm of each block starts at zero")
def zero_gamma(seed):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.na = nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
            self.b, self.nb = nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
            nn.init.zeros_(self.nb.weight)

        def forward(self, x):
            return (x + self.nb(self.b(self.na(self.a(x)).relu()))).relu()

    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        Block(),
        Block(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    )
    return digits_program(model, seed, optimizer=SGD(model.parameters(), lr=0.1, momentum=0.9))


@healthy("a model whose output has .logits, loss of the object")
def with_logits(seed):
    class Out:
        def __init__(self, logits):
            self.logits = logits

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = mlp()

        def forward(self, x):
            return Out(self.net(x))

    return digits_program(Net(), seed, loss=lambda o, t: F.cross_entropy(o.logits, t))


@healthy("categories and numbers, embeddings and linear")
def tabular(seed):
    g = torch.Generator().manual_seed(seed)
    cats, nums = torch.randint(0, 6, (800, 3), generator=g), torch.randn(800, 5, generator=g)
    y = ((cats[:, 0] % 3 + nums[:, 0] + 0.3 * torch.randn(800, generator=g)) > 1).long()

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.e, self.net = nn.ModuleList(nn.Embedding(6, 4) for _ in range(3)), mlp(17, 2)

        def forward(self, cats, nums):
            return self.net(torch.cat([*(e(cats[:, i]) for i, e in enumerate(self.e)), nums], 1))

    model = Net()
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": ((cats, nums), y), "optimizer": adam(model, 3e-3)}
