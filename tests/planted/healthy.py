"""Programs without a bug: no verdict may fail."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from bugs.data import Noisy
from bugs.evaluation import right
from bugs.forum import attending
from bugs.loss import binary, values
from bugs.model import _padded, language
from bugs.optimisation import scheduled, stepping
from plants import Config, adam, cnn, digits, digits_program, healthy, loader, mlp, table
from torch import nn
from torch.utils.data import DataLoader

for _kind, _overrides in {
    "config: default (digits, MLP, Adam)": (),
    "config: digits, CNN": ("model=cnn",),
    "config: digits, linear, SGD": ("model=linear", "optimizer=sgd"),
    "config: wine, MLP, AdamW": ("data=wine", "optimizer=adamw"),
    "config: breast cancer, linear": ("data=breast_cancer", "model=linear"),
    "config: diabetes (regression), MLP": ("data=diabetes",),
    "config: diabetes, linear, SGD": ("data=diabetes", "model=linear", "optimizer=sgd", "optimizer.lr=0.01"),
    "config: two layers, narrow": ("model.width=16", "model.depth=2"),
    "config: dropout": ("regularizer=[dropout]",),
    "config: weight decay": ("regularizer=[weight_decay]",),
    "config: label smoothing": ("regularizer=[label_smoothing]",),
    "config: noise": ("regularizer=[noise]",),
    "config: early stopping": ("regularizer=[early_stopping]",),
    "config: Adam 1e-2": ("optimizer.lr=0.01",),
}.items():
    healthy(_kind)(lambda seed, overrides=_overrides: Config(overrides))


@healthy("MLP with batch norm and dropout, own evaluation")
def norm_dropout(seed):
    return digits_program(mlp(middle=[nn.BatchNorm1d(64), nn.Dropout(0.3)]), seed, evaluate=right)


@healthy("CNN with batch norm, SGD with momentum and weight decay")
def cnn_norm(seed):
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(32, 10),
    )  # fmt: skip
    sgd = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True)
    return digits_program(model, seed, optimizer=sgd)


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.body = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        nn.init.zeros_(self.body[-1].weight)

    def forward(self, x):
        return x + self.body(x)


@healthy("residual blocks that start as identities, layer norm, zero head")
def residual(seed):
    head = nn.Linear(64, 10)
    nn.init.zeros_(head.weight)
    return digits_program(nn.Sequential(nn.Flatten(), *[Residual(64) for _ in range(4)], head), seed)


@healthy("images in [0, 1]")
def unit_images(seed):
    x, y, vx, vy = digits(seed)
    low, high = x.min(), x.max()
    return digits_program(
        cnn(), seed, data=loader((x - low) / (high - low), y),
        val=loader((vx - low) / (high - low), vy, shuffle=False),
    )  # fmt: skip


@healthy("colour images, white background")
def colour(seed):
    x, y, *_ = digits(seed)
    x = 1 - (x - x.min()) / (x.max() - x.min()) * torch.tensor([0.9, 0.6, 0.3]).reshape(1, 3, 1, 1)
    return digits_program(cnn(channels=3), seed, data=loader(F.interpolate(x, 16, mode="bilinear"), y), val=None)


@healthy("imbalanced, nine in ten, plain start")
def imbalanced(seed):
    x, y, vx, vy = digits(seed)
    return digits_program(
        mlp(outputs=2), seed, data=loader(x, (y == 3).long()), val=loader(vx, (vy == 3).long(), shuffle=False)
    )


@healthy("imbalanced, weighted cross-entropy")
def weighted(seed):
    x, y, *_ = digits(seed)
    loss = nn.CrossEntropyLoss(weight=torch.tensor([0.2, 1.8]))
    return digits_program(mlp(outputs=2), seed, data=loader(x, (y == 3).long()), val=None, loss=loss)


@healthy("tiny: 24 examples as one batch")
def tiny(seed):
    x, y, *_ = digits(seed)
    return digits_program(mlp(width=16), seed, data=(x[:24], y[:24]), val=None)


@healthy("binary with logits")
def binary_logits(seed):
    return binary(seed, lambda o, t: F.binary_cross_entropy_with_logits(o[:, 0], t))


@healthy("binary with a sigmoid")
def binary_sigmoid(seed):
    return binary(seed, nn.BCELoss(), nn.Sequential(mlp(30, 1), nn.Sigmoid(), nn.Flatten(0)))


@healthy("log-softmax and negative log-likelihood")
def log_softmax(seed):
    return digits_program(nn.Sequential(mlp(), nn.LogSoftmax(1)), seed, loss=nn.NLLLoss())


@healthy("cross-entropy with label smoothing 0.1")
def smoothing(seed):
    return digits_program(mlp(), seed, loss=nn.CrossEntropyLoss(label_smoothing=0.1))


@healthy("regression, Huber loss, standardised targets")
def huber(seed):
    return values(seed, lambda o, t: F.huber_loss(o[:, 0], t))


@healthy("autoencoder")
def autoencoder(seed):
    x, *_ = digits(seed)
    x = x.flatten(1)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 64))
    return {"model": model, "loss": nn.MSELoss(), "data": (x, x), "optimizer": adam(model)}


@healthy("multi-label")
def multi_label(seed):
    x, y, *_ = digits(seed)
    targets = torch.stack([(y % 2 == 0), (y > 4), (y % 3 == 0)], 1).float()
    return digits_program(mlp(outputs=3), seed, data=loader(x, targets), val=None, loss=nn.BCEWithLogitsLoss())


@healthy("causal transformer, next token")
def transformer(seed):
    return language(seed)


@healthy("causal transformer, shift in the loss")
def transformer_loss(seed):
    return language(seed, shift_in_data=0, shift_in_loss=1)


@healthy("masked bag of tokens")
def masked(seed):
    return _padded(seed, masked=True)


@healthy("GRU over rows, tanh network beside it")
def recurrent(seed):
    class Rows(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = nn.GRU(8, 32, batch_first=True), nn.Linear(32, 10)

        def forward(self, x):
            return self.head(self.rnn(x[:, 0])[0][:, -1].tanh())

    return digits_program(Rows(), seed)


@healthy("frozen first layer, head trained")
def frozen(seed):
    model = mlp()
    model[1].requires_grad_(False)
    return digits_program(model, seed, optimizer=adam(model[-1]), frozen=("1.",))


@healthy("own step with clipping, cosine over all steps")
def clipped(seed):
    def make(optimizer):
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 220)

    return scheduled(seed, make, every_step=True)


@healthy("warm-up then decay by LambdaLR, each step")
def warm_up(seed):
    def make(optimizer):
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min((s + 1) / 20, 1.0) * (1 - s / 400))

    return scheduled(seed, make, every_step=True)


@healthy("own step, gradients clipped to norm 0.1")
def clip(seed):
    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
        return loss.item()

    return stepping(seed, step)


@healthy("augmentation: shift and noise; noisy data set read by two workers")
def augmented(seed):
    x, y, *_ = digits(seed)

    def augment(inputs):
        return inputs.roll(int(torch.randint(-1, 2, ())), 3) + 0.1 * torch.randn_like(inputs)

    return digits_program(
        cnn(), seed, augment=augment, data=DataLoader(Noisy(x[:500], y[:500]), 64, shuffle=True, num_workers=2)
    )


@healthy("deep tanh network, Glorot's start, RMSprop")
def deep_tanh(seed):
    layers = [part for _ in range(5) for part in (nn.Linear(64, 64), nn.Tanh())]
    model = nn.Sequential(nn.Flatten(), *layers, nn.Linear(64, 10))
    for m in model:
        if isinstance(m, nn.Linear):
            nn.init.xavier_uniform_(m.weight)
    return digits_program(model, seed, optimizer=torch.optim.RMSprop(model.parameters(), lr=1e-3))


@healthy("loss of each example, wine, build given")
def rebuilt(seed):
    x, y, vx, vy = table("wine", seed)

    def build():
        return mlp(13, 3)

    model = build()
    return {
        "model": model, "loss": nn.CrossEntropyLoss(reduction="none"), "data": loader(x, y, size=32),
        "val": loader(vx, vy, shuffle=False), "optimizer": adam(model), "build": build,
    }  # fmt: skip


@healthy("residual CNN with batch norm, SGD, cosine of epochs")
def residual_cnn(seed):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
                nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16),
            )  # fmt: skip

        def forward(self, x):
            return (x + self.body(x)).relu()

    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), Block(), Block(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(16, 10),
    )  # fmt: skip
    sgd = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(sgd, 20)
    return digits_program(model, seed, optimizer=sgd, scheduler=schedule, epochs=20)


@healthy("transformer encoder with a padding mask, class of a sequence")
def encoder(seed):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, 12, (600, 10), generator=generator)
    padding = torch.arange(10) >= torch.randint(4, 11, (600, 1), generator=generator)
    tokens = tokens.masked_fill(padding, 0)

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.place = nn.Embedding(12, 32), nn.Embedding(10, 32)
            self.layer = nn.TransformerEncoderLayer(32, 2, 64, dropout=0.1, batch_first=True)
            self.head = nn.Linear(32, 2)

        def forward(self, tokens, padding):
            hidden = self.layer(self.embed(tokens) + self.place(torch.arange(10)), src_key_padding_mask=padding)
            kept = (~padding).unsqueeze(2).float()
            return self.head((hidden * kept).sum(1) / kept.sum(1))

    model = Encoder()
    data = ((tokens, padding), (tokens == 3).any(1).long())
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": data, "optimizer": adam(model)}


@healthy("LSTM on series of numbers, value at the end")
def series(seed):
    x = torch.randn(600, 12, 3, generator=torch.Generator().manual_seed(seed))
    y = x[:, :, 0].cumsum(1)[:, -1] / 12**0.5

    class Series(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = nn.LSTM(3, 32, batch_first=True), nn.Linear(32, 1)

        def forward(self, x):
            return self.head(self.rnn(x)[0][:, -1])[:, 0]

    model = Series()
    return {"model": model, "loss": nn.MSELoss(), "data": loader(x, y), "optimizer": adam(model)}


@healthy("convolutional autoencoder of images in [0, 1], sigmoid at the end")
def image_autoencoder(seed):
    x, *_ = digits(seed)
    x = (x - x.min()) / (x.max() - x.min())
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.ReLU(), nn.ConvTranspose2d(8, 8, 2, stride=2), nn.ReLU(),
        nn.Conv2d(8, 1, 3, padding=1), nn.Sigmoid(),
    )  # fmt: skip
    return {"model": model, "loss": nn.MSELoss(), "data": (x, x), "optimizer": adam(model)}


@healthy("regression with a mean and a variance (Gaussian likelihood)")
def heteroscedastic(seed):
    def loss(outputs, targets):
        return F.gaussian_nll_loss(outputs[:, 0], targets, F.softplus(outputs[:, 1]) + 1e-4)

    return values(seed, loss, mlp(10, 2))


@healthy("multi-label with weights of the positive")
def weighted_labels(seed):
    x, y, *_ = digits(seed)
    targets = torch.stack([(y == 0), (y > 6), (y % 3 == 0)], 1).float()
    loss = nn.BCEWithLogitsLoss(pos_weight=(1 - targets.mean(0)) / targets.mean(0))
    return digits_program(mlp(outputs=3), seed, data=loader(x, targets), val=None, loss=loss)


@healthy("siamese pairs, contrastive loss")
def siamese(seed):
    x, y, *_ = digits(seed)
    other = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    same = torch.arange(len(x)) % 2 == 0
    for label in range(10):  # a partner of the same class for every second example
        rows = ((y == label) & same).nonzero()[:, 0]
        other[rows] = rows.roll(1)
    alike = (y == y[other]).float()

    class Twins(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = mlp(outputs=16)

        def forward(self, a, b):
            return (self.body(a) - self.body(b)).square().sum(1)

    def loss(distance, alike):
        return (alike * distance + (1 - alike) * (1 - (distance + 1e-6).sqrt()).clamp(min=0).square()).mean()

    model = Twins()
    return {"model": model, "loss": loss, "data": ((x, x[other]), alike), "optimizer": adam(model)}


@healthy("bag of words by nn.EmbeddingBag, sparse SGD")
def embedding_bag(seed):
    tokens = torch.randint(0, 30, (600, 8), generator=torch.Generator().manual_seed(seed))
    model = nn.Sequential(nn.EmbeddingBag(30, 16), nn.Linear(16, 2))
    data = (tokens, (tokens == 3).any(1).long())
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": data, "optimizer": adam(model, 1e-2)}


@healthy("root of the mean squared error")
def rmse(seed):
    return values(seed, lambda o, t: (o[:, 0] - t).square().mean().sqrt())


@healthy("focal loss, imbalanced")
def focal(seed):
    x, y, *_ = digits(seed)

    def loss(outputs, targets):
        nats = F.cross_entropy(outputs, targets, reduction="none")
        return ((1 - (-nats).exp()).square() * nats).mean()

    return digits_program(mlp(outputs=2), seed, data=loader(x, (y == 3).long()), val=None, loss=loss)


@healthy("a class for each pixel, with an ignored border")
def segmentation(seed):
    x, *_ = digits(seed)
    labels = (x[:, 0] > 0).long() + (x[:, 0] > 1).long()
    labels[:, 0], labels[:, -1] = -100, -100
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 3, 1)
    )
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": (x, labels), "optimizer": adam(model)}


@healthy("gradients of four parts averaged, bfloat16 by autocast")
def accumulated(seed):
    def step(model, optimizer, x, y):
        model.train()
        optimizer.zero_grad()
        for part, labels in zip(x.chunk(4), y.chunk(4), strict=True):
            with torch.autocast("cpu", torch.bfloat16):
                outputs = model(part)
            (F.cross_entropy(outputs.float(), labels) * len(labels) / len(y)).backward()
        optimizer.step()

    return stepping(seed, step)


@healthy("padded sentences, padding ignored, loss over tokens")
def padded_language(seed):
    program = language(seed)
    tokens, targets = (t + 0 for t in program["data"])
    length = torch.randint(3, 9, (len(tokens), 1), generator=torch.Generator().manual_seed(seed))
    rest = torch.arange(tokens.shape[1]) >= length
    return {**program, "data": (tokens.masked_fill(rest, 0), targets.masked_fill(rest, -100))}


@healthy("causal attention by hand")
def attention_by_hand(seed):
    return attending(seed)
