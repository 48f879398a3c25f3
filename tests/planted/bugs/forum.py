"""Bugs as people ask about them in forums and issues: each a kind that the other modules do not have."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from plants import adam, bug, cnn, digits, digits_program, loader, mlp, table
from torch import nn
from torch.utils.data import DataLoader, Dataset

from bugs.model import Lambda, language
from bugs.optimisation import stepping


@bug("loss", "softmax over the batch inside the loss", "loss_broadcast", "softmax_once")
def softmax_in_loss(seed):
    return digits_program(mlp(), seed, loss=lambda o, t: F.nll_loss(o.log_softmax(0), t))


@bug("model", "dropout rate taken for the share that is kept", "dropout_share")
def keep_rate(seed):
    return digits_program(mlp(middle=[nn.Dropout(0.95)]), seed)


@bug("model", "padding mask inverted", "mask_used")
def inverted_mask(seed):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, 12, (600, 10), generator=generator)
    mask = torch.arange(10) < torch.randint(4, 10, (600, 1), generator=generator)
    tokens = tokens * mask

    class Bag(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = nn.Embedding(12, 16), nn.Linear(16, 2)

        def forward(self, tokens, mask):
            weight = (~mask).unsqueeze(2).float()  # right for key_padding_mask, wrong here
            return self.head((self.embed(tokens) * weight).sum(1) / weight.sum(1).clamp(min=1))

    model = Bag()
    labels = (tokens == 3).any(1).long()
    return {
        "model": model, "loss": nn.CrossEntropyLoss(), "data": ((tokens, mask), labels), "optimizer": adam(model, 1e-2)
    }  # fmt: skip


@bug("loss", "the previous token as target", "target_shift")
def previous_token(seed):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, 11, (300, 14), generator=generator)
    program = language(seed)
    return {**program, "data": (tokens[:, 1:], tokens[:, :-1])}


@bug("model", "tokens beyond the vocabulary clamped", "tokens_used")
def clamped(seed):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, 40, (600, 8), generator=generator)
    labels = ((tokens == 3) | (tokens == 30)).any(1).long()
    model = Lambda(
        lambda m, x: m["head"](m["embed"](x.clamp(max=9)).mean(1)), embed=nn.Embedding(10, 16), head=nn.Linear(16, 2)
    )
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": (tokens, labels), "optimizer": adam(model, 1e-2)}


@bug("data", "validation scaled by its own statistics", "scaler_fit")
def scaled_by_itself(seed):
    x, y, vx, vy = table("breast_cancer", seed)
    vx = (vx - vx.mean(0)) / vx.std(0)
    model = mlp(30, 2)
    return {
        "model": model, "loss": nn.CrossEntropyLoss(), "data": (x, y), "val": (vx, vy), "optimizer": adam(model)
    }  # fmt: skip


@bug("optimisation", "gradients of four parts added, not averaged", "gradient_scale")
def accumulated(seed):
    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        for part, labels in zip(x.chunk(4), y.chunk(4), strict=True):
            F.cross_entropy(model(part), labels).backward()
        optimizer.step()

    model = mlp()
    return stepping(seed, step, model=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.05))


@bug("optimisation", "gradients clipped to almost nothing", "gradient_scale", "learning_rate")
def clipped_away(seed):
    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        nn.utils.clip_grad_value_(model.parameters(), 1e-7)
        optimizer.step()

    model = mlp()
    return stepping(seed, step, model=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1))


@bug("optimisation", "trained in evaluation mode", "train_mode")
def never_train(seed):
    def step(model, optimizer, x, y):
        model.eval()
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    return stepping(seed, step, model=mlp(middle=[nn.BatchNorm1d(64), nn.Dropout(0.3)]))


@bug("optimisation", "loss made a new tensor before backward", "step_order")
def new_tensor(seed):
    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        loss = torch.tensor(F.cross_entropy(model(x), y).item(), requires_grad=True)
        loss.backward()
        optimizer.step()

    return stepping(seed, step)


@bug("optimisation", "targets shuffled in the step", "step_direction")
def shuffled_in_step(seed):
    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y[torch.randperm(len(y))]).backward()
        optimizer.step()

    return stepping(seed, step)


@bug("optimisation", "a training step that raises (in place on what backward needs)", "step_order", "loss_runs")
def in_place(seed):
    model = Lambda(
        lambda m, x: m["b"](m["a"](x.flatten(1)).sigmoid().mul_(2)), a=nn.Linear(64, 32), b=nn.Linear(32, 10)
    )
    return digits_program(model, seed)


@bug("loss", "class weights the wrong way round", "class_weights")
def inverted_weights(seed):
    x, y, *_ = digits(seed)
    labels = (y == 3).long()
    share = labels.double().mean()
    loss = nn.CrossEntropyLoss(weight=torch.tensor([1 - share, share], dtype=torch.float32))
    return digits_program(mlp(outputs=2), seed, data=loader(x, labels), val=None, loss=loss)


@bug("loss", "a class ignored (ignore_index)", "class_weights")
def ignored_class(seed):
    return digits_program(mlp(), seed, loss=nn.CrossEntropyLoss(ignore_index=3))


@bug("loss", "sigmoid before cross-entropy", "softmax_once", "output_activation")
def sigmoid_classes(seed):
    return digits_program(nn.Sequential(mlp(), nn.Sigmoid()), seed)


@bug("loss", "divided by the batch size twice", "loss_mean")
def divided_twice(seed):
    return digits_program(mlp(), seed, loss=lambda o, t: F.cross_entropy(o, t) / len(t))


@bug("data", "the loader gives one batch over and over", "batches_differ")
def one_batch(seed):
    x, y, *_ = digits(seed)
    return digits_program(mlp(), seed, data=[(x[:64], y[:64])] * 20, val=None)


@bug("data", "the data set scales its examples in place at each reading", "same_data")
def scaled_in_place(seed):
    x, y, *_ = digits(seed)

    class InPlace(Dataset):
        def __len__(self):
            return 1000

        def __getitem__(self, index):
            example = x[index]
            example /= 2
            return example, y[index]

    return digits_program(mlp(), seed, data=DataLoader(InPlace(), 64, shuffle=True), val=None)


@bug("data", "an output too few", "labels_in_range")
def one_output_less(seed):
    return digits_program(mlp(outputs=9), seed)


@bug("model", "positions added along the batch", "independent_examples")
def positions_of_batch(seed):
    places = torch.randn(256, 1, 8)

    class Rows(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = nn.GRU(8, 32, batch_first=True), nn.Linear(32, 10)

        def forward(self, x):
            return self.head(self.rnn(x[:, 0] + places[: len(x)])[0][:, -1])

    return digits_program(Rows(), seed)


@bug("model", "state kept from one batch to the next", "dropout_in_eval", "independent_examples")
def kept_state(seed):
    class Rows(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head, self.state = nn.GRU(8, 32, batch_first=True), nn.Linear(32, 10), None

        def forward(self, x):
            state = self.state if self.state is not None and self.state.shape[1] == len(x) else None
            out, after = self.rnn(x[:, 0], state)
            self.state = after.detach()
            return self.head(out[:, -1])

    return digits_program(Rows(), seed)


class Heads(nn.Module):
    """Causal attention written by hand, with what a person gets wrong in it."""

    def __init__(self, *, axis=-1, view=False):
        super().__init__()
        self.embed, self.place, self.qkv = nn.Embedding(11, 32), nn.Embedding(14, 32), nn.Linear(32, 96)
        self.head, self.axis, self.view = nn.Linear(32, 11), axis, view

    def forward(self, tokens):
        batch, count = tokens.shape
        hidden = self.embed(tokens) + self.place(torch.arange(count))
        q, k, v = (self.split(part) for part in self.qkv(hidden).chunk(3, 2))
        mask = torch.full((count, count), float("-inf")).triu(1)
        scores = q @ k.transpose(2, 3) / 4 + mask
        mixed = scores.softmax(self.axis) @ v
        return self.head(hidden + mixed.transpose(1, 2).reshape(batch, count, 32))

    def split(self, x):
        batch, count, _ = x.shape
        return x.reshape(batch, 2, count, 16) if self.view else x.view(batch, count, 2, 16).transpose(1, 2)


def attending(seed, **wrong):
    model = Heads(**wrong)
    return {**language(seed), "model": model, "optimizer": adam(model)}


@bug("model", "attention's softmax over the queries", "attention_axis", "future_hidden")
def softmax_queries(seed):
    return attending(seed, axis=2)


@bug("model", "heads split by view alone", "future_hidden")
def heads_by_view(seed):
    return attending(seed, view=True)


@bug("model", "low-rank branch that starts at zero twice", "symmetric_units", "gradient_flow", "dead_units")
def zero_twice(seed):
    a, b = nn.Linear(64, 8, bias=False), nn.Linear(8, 10, bias=False)
    nn.init.zeros_(a.weight)
    nn.init.zeros_(b.weight)
    model = Lambda(lambda m, x: m["base"](x) + m["b"](m["a"](x.flatten(1))), base=mlp(), a=a, b=b)
    return digits_program(model, seed)


@bug("model", "everything frozen", "optimizer_parameters")
def all_frozen(seed):
    model = cnn()
    model.requires_grad_(False)
    return digits_program(model, seed)


@bug("loss", "padding counts in the loss", "padding_ignored")
def padding_counts(seed):
    program = language(seed)
    tokens, targets = (t + 0 for t in program["data"])
    length = torch.randint(3, 9, (len(tokens), 1), generator=torch.Generator().manual_seed(seed))
    rest = torch.arange(tokens.shape[1]) >= length
    return {**program, "data": (tokens.masked_fill(rest, 0), targets.masked_fill(rest, 0))}


@bug("model", "half precision in which gradients vanish", "gradient_scale")
def half_precision(seed):
    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        (F.cross_entropy(model(x), y).half() * 1e-6).float().backward()
        optimizer.step()

    return stepping(seed, step)
