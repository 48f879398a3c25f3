"""Bugs out of threads and issues, in losses, steps, data and evaluations.

signet-pytorch#2 (pairs labelled the other way round), nanochat#623, OLMo-core#657 and ultralytics#25096 (a batch
without a target that counts), BMN#22 (a batch without a positive), gpt2-dialogue-generation#11 (one input given twice),
slue-toolkit#37 (the collate function sorts inputs alone), transformers#27333 (it changes the data set), pytorch#121416
(NaN masked after the loss), OneVision-Encoder#82 (a schedule advanced for each part of a step),
cmc-csci181-deeplearning#3 (accuracy of the first of each batch), triplet-reid#30 (embeddings that collapse), and
threads about deviations in a loss, variational autoencoders, masks, samplers and loss scales.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F  # noqa: N812
from plants import adam, bug, digits, digits_program, loader, mlp, table
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset, WeightedRandomSampler

from bugs.evaluation import evaluated, right
from bugs.loss import values
from bugs.model import Lambda
from bugs.optimisation import stepping

SGD = torch.optim.SGD


def pairs(seed, loss):
    """Two digits and 1 where they are the same."""
    x, y, *_ = digits(seed)
    generator = torch.Generator().manual_seed(seed)
    other = torch.randint(0, len(y), (len(y),), generator=generator)
    for i in range(0, len(y), 2):
        same = (y == y[i]).nonzero()[:, 0]
        other[i] = same[torch.randint(0, len(same), (1,), generator=generator)]
    body = mlp(outputs=16)
    model = Lambda(lambda m, a, b: F.pairwise_distance(m["body"](a), m["body"](b)), body=body)
    return {"model": model, "loss": loss, "data": ((x, x[other]), (y == y[other]).float()), "optimizer": adam(model)}


@bug("loss", "a contrastive loss that takes 1 for different, pairs with 1 for the same", "pair_labels")
def pairs_inverted(seed):
    return pairs(seed, lambda d, y: ((1 - y) * d.square() + y * (1 - d).clamp(min=0).square()).mean())


def answers(seed, share, size):
    """A class a token; of some examples nothing counts."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, 12, (600, 10), generator=generator)
    labels = (tokens % 3).masked_fill(torch.arange(10) < 6, -100)
    quiet = torch.rand(600, generator=generator) < share
    quiet[:40] = False
    labels[quiet] = -100
    model = nn.Sequential(nn.Embedding(12, 16), nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 3))
    loss = lambda o, t: F.cross_entropy(o.flatten(0, 1), t.flatten())  # noqa: E731
    return {"model": model, "loss": loss, "data": loader(tokens, labels, size=size), "optimizer": adam(model)}


@bug("loss", "batches without a target that counts: 0 / 0", "each_loss_finite", "loss_runs")
def nothing_counts(seed):
    return answers(seed, 0.5, 4)


@bug("loss", "divided by the number of positives, which some batches lack", "each_loss_finite", "loss_runs")
def no_positive(seed):
    x, y, *_ = digits(seed)
    labels = (y == 3).float()
    model = mlp(outputs=1)

    def loss(o, t):
        each = F.binary_cross_entropy_with_logits(o[:, 0], t, reduction="none")
        return 0.5 * (each * t).sum() / t.sum() + 0.5 * (each * (1 - t)).sum() / (1 - t).sum()

    return digits_program(model, seed, data=loader(x, labels, size=16), val=None, loss=loss)


@bug("data", "one of two inputs given twice (a slip of an index)", "inputs_differ", "inputs_vary")
def given_twice(seed):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, 12, (600, 10), generator=generator)
    kinds = torch.randint(0, 3, (600, 10), generator=generator)
    labels = ((tokens == 3) & (kinds == 1)).any(1).long()

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Embedding(12, 16), nn.Embedding(12, 16)
            self.body, self.head = nn.Linear(16, 32), nn.Linear(32, 2)

        def forward(self, tokens, kinds):
            return self.head(self.body(self.a(tokens) + self.b(kinds)).relu().amax(1))

    class Typed(Dataset):
        def __len__(self):
            return 600

        def __getitem__(self, i):
            item = tokens[i], kinds[i], labels[i]
            return item[0], item[0], item[2]

    model = Net()
    data = DataLoader(Typed(), 64, shuffle=True)
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": data, "optimizer": adam(model, 1e-2)}


def sentences(seed):
    """Bags of words of three subjects, of unequal length."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (900,), generator=generator)
    found = []
    for label in labels.tolist():
        length = int(torch.randint(4, 16, (1,), generator=generator))
        own = torch.randint(1, 11, (length,), generator=generator) + 10 * label
        common = torch.randint(31, 60, (length,), generator=generator)
        found.append(torch.where(torch.rand(length, generator=generator) < 0.4, own, common))
    return found, labels


@bug("data", "the collate function sorts sentences by length, but not their labels", "labels_aligned")
def sorted_in_collate(seed):
    found, labels = sentences(seed)

    def collate(items):
        rows = sorted((tokens for tokens, _ in items), key=len, reverse=True)
        return nn.utils.rnn.pad_sequence(rows, batch_first=True), torch.stack([label for _, label in items])

    model = Lambda(lambda m, t: m["h"]((m["e"](t) * (t > 0)[..., None]).sum(1) / 10), e=nn.Embedding(60, 32),
                   h=nn.Linear(32, 3))  # fmt: skip
    data = DataLoader(list(zip(found, labels, strict=True)), 64, shuffle=True, collate_fn=collate)
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": data, "optimizer": adam(model, 3e-3)}


@bug("data", "the collate function pads the data set's own lists", "same_data", "shuffled", "loader_repeats")
def collate_changes(seed):
    found, labels = sentences(seed)
    items = [{"tokens": tokens.tolist(), "label": label} for tokens, label in zip(found, labels, strict=True)]

    def collate(chosen):
        longest = max(len(item["tokens"]) for item in chosen)
        for item in chosen:
            item["tokens"] += [0] * (longest - len(item["tokens"])) + [0]
        return torch.tensor([item["tokens"] for item in chosen]), torch.stack([item["label"] for item in chosen])

    model = Lambda(lambda m, t: m["h"]((m["e"](t) * (t > 0)[..., None]).sum(1) / 10), e=nn.Embedding(60, 32),
                   h=nn.Linear(32, 3))  # fmt: skip
    data = DataLoader(items, 64, shuffle=True, collate_fn=collate)
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": data, "optimizer": adam(model, 3e-3)}


@bug("loss", "missing targets (NaN) left out after the squares", "loss_runs", "finite_inputs")
def masked_late(seed):
    x, y, *_ = table("diabetes", seed)
    y = (y - y.mean()) / y.std()
    y[torch.rand(len(y), generator=torch.Generator().manual_seed(seed)) < 0.2] = float("nan")

    def loss(o, t):
        return F.mse_loss(o[:, 0], t, reduction="none")[~t.isnan()].mean()

    model = mlp(10, 1)
    return {"model": model, "loss": loss, "data": loader(x, y), "optimizer": adam(model)}


@bug("optimisation", "a cycle's schedule advanced for each part of a step", "schedule_unit")
def advanced_for_parts(seed):
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=220)

    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        for part, labels in zip(x.chunk(4), y.chunk(4), strict=True):
            (F.cross_entropy(model(part), labels) / 4).backward()
            schedule.step()
        optimizer.step()

    return stepping(seed, step, model=model, optimizer=optimizer, scheduler=schedule, epochs=10)


@bug("optimisation", "cosine over 10 of 100 epochs, up and down again", "schedule_unit")
def cosine_short(seed):
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    return digits_program(model, seed, optimizer=optimizer, scheduler=schedule, epochs=100)


@bug("optimisation", "the loss is scaled, the step is the optimizer's own", "gradient_scale", "learning_rate")
def scaled_step(seed):
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16)

    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        scaler.scale(F.cross_entropy(model(x), y)).backward()
        optimizer.step()

    return stepping(seed, step, model=model, optimizer=optimizer)


@bug("evaluation", "the accuracy of the first of each batch", "accuracy_right")
def first_of_batch(seed):
    @torch.no_grad()
    def evaluate(model, loader):
        given = right(model, loader)
        model.eval()
        hits = [model(x).topk(1)[1][0].item() == y[0].item() for x, y in loader]
        model.train()
        return {**given, "accuracy": sum(hits) / len(hits)}

    return evaluated(seed, evaluate)


@bug("evaluation", "a copy made before training is evaluated", "evaluation_follows", "eval_mode")
def stale_copy(seed):
    program = evaluated(seed, None)
    best = copy.deepcopy(program["model"])

    def evaluate(loader):
        return right(best, loader)

    return {**program, "evaluate": evaluate}


def triplets(seed, lr):
    """The hardest positive and negative of each example in the batch (Hermans et al. 2017)."""
    x, y, *_ = digits(seed)
    body = mlp(outputs=16)

    def loss(o, t):
        gaps = torch.cdist(o, o)
        same = t[:, None] == t
        far, near = (gaps - 1e9 * ~same).max(1).values, (gaps + 1e9 * same).min(1).values
        return (far - near + 0.5).relu().mean()

    return {"model": body, "loss": loss, "data": loader(x, y), "optimizer": adam(body, lr)}


@bug("optimisation", "hardest triplets, at a rate at which all embeddings become one", "learning_rate")
def triplets_collapse(seed):
    return triplets(seed, 1.0)


@bug("loss", "a deviation of the predictions is rewarded without bound", "loss_floor", "right_loss", "loss_broadcast")
def spread_rewarded(seed):
    return values(seed, lambda o, t: (o[:, 0] - t).square().mean() - 5.0 * o.std())


@bug("loss", "VAE: a mean over the pixels beside a sum of divergences", "regularizer_share", "overfit_batch",
     "input_baseline", "divergence_share")  # fmt: skip
def vae_collapses(seed):
    class Vae(nn.Module):
        def __init__(self):
            super().__init__()
            self.enc, self.dec = mlp(outputs=16), nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64))

        def forward(self, x):
            mean, log = self.enc(x).chunk(2, 1)
            z = mean + (log / 2).exp() * torch.randn_like(mean) if self.training else mean
            return self.dec(z), mean, log

    def loss(o, t):
        out, mean, log = o
        return F.mse_loss(out, t) - 0.5 * (1 + log - mean.square() - log.exp()).sum()

    x, *_ = digits(seed)
    model = Vae()
    return {"model": model, "loss": loss, "data": loader(x.flatten(1), x.flatten(1)), "optimizer": adam(model)}


@bug("loss", "the second head's loss is computed, but not added", "unused_parameters", "head_trained",
     "weights_move", "loss_reaches")  # fmt: skip
def head_left_out(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.cls, self.reg = mlp(outputs=32), nn.Linear(32, 10), nn.Linear(32, 1)

        def forward(self, x):
            h = self.body(x).relu()
            return self.cls(h), self.reg(h)[:, 0]

    x, y, *_ = digits(seed)
    targets = torch.stack([y.float(), x.mean((1, 2, 3))], 1)

    def loss(o, t):
        first, second = F.cross_entropy(o[0], t[:, 0].long()), F.mse_loss(o[1], t[:, 1])
        del second
        return first

    model = Net()
    return {"model": model, "loss": loss, "data": loader(x, targets), "optimizer": adam(model)}


@bug("loss", "the largest output regressed onto the class number", "right_loss")
def largest_output(seed):
    return digits_program(mlp(), seed, loss=lambda o, t: F.mse_loss(o.max(1).values, t.float()))


@bug("loss", "classes balanced twice, by the sampler and by weights", "class_weights")
def balanced_twice(seed):
    x, y, *_ = digits(seed)
    y = (y == 3).long()
    counts = torch.bincount(y).float()
    data = DataLoader(TensorDataset(x, y), 64, sampler=WeightedRandomSampler((1 / counts.double())[y], len(y)))
    loss = nn.CrossEntropyLoss(weight=counts.sum() / (2 * counts))
    return digits_program(mlp(outputs=2), seed, data=data, val=None, loss=loss)


def blobs(seed):
    """Pictures of a bright disc, and the mask of it."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    place = 3 + 10 * torch.rand(600, 2, 1, 1, generator=generator)
    masks = ((rows - place[:, :1]).square() + (columns - place[:, 1:]).square() < 9).float()
    pictures = masks + 0.5 * torch.randn(600, 1, 16, 16, generator=generator)
    return (pictures - pictures.mean()) / pictures.std(), masks


def segmented(seed, pictures, masks, **others):
    model = nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 1, 1)
    )
    return {"model": model, "loss": nn.BCEWithLogitsLoss(), "data": loader(pictures, masks), "optimizer": adam(model),
            **others}  # fmt: skip


@bug("data", "the data set flips pictures at random, but not their masks", "masks_aligned", "labels_aligned")
def flipped_pictures(seed):
    pictures, masks = blobs(seed)

    class Flipped(Dataset):
        def __len__(self):
            return len(pictures)

        def __getitem__(self, i):
            x = pictures[i]
            return (x.flip(-1) if torch.rand(()) < 0.5 else x), masks[i]

    return segmented(seed, pictures, masks, data=DataLoader(Flipped(), 64, shuffle=True))


@bug("data", "masks read as (width, height)", "masks_aligned", "labels_aligned")
def transposed_masks(seed):
    pictures, masks = blobs(seed)
    return segmented(seed, pictures, masks.transpose(2, 3).contiguous())


@bug("data", "masks of the sorted file names, pictures as listed", "masks_aligned", "labels_aligned")
def masks_of_others(seed):
    pictures, masks = blobs(seed)
    return segmented(seed, pictures, masks[sorted(range(600), key=str)])


@bug("data", "masks divided by 255 on reading: all become class 0", "labels_in_range")
def masks_divided(seed):
    pictures, masks = blobs(seed)
    labels = (masks[:, 0] * 2 / 255).long()
    model = nn.Sequential(nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.Conv2d(16, 3, 1))
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": loader(pictures, labels), "optimizer": adam(model)}


@bug("data", "dummies made of each split's own categories", "splits_agree", "split_scale")
def own_dummies(seed):
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.randint(0, 8, (1000,), generator=generator)
    numbers = torch.randn(1000, 3, generator=generator)
    labels = (kinds % 2 + (numbers[:, 0] > 1.5).long()).clamp(max=1)
    train, rest = slice(0, 700), slice(700, 1000)
    kinds[train][kinds[train] == 0] = 1  # category 0 occurs in the second part alone, 7 in the first
    kinds[rest][kinds[rest] == 7] = 5
    labels = (kinds % 2 + (numbers[:, 0] > 1.5).long()).clamp(max=1)
    parts = []
    for rows in (train, rest):
        own = torch.unique(kinds[rows], return_inverse=True)[1]
        parts.append((torch.cat([F.one_hot(own).float(), numbers[rows]], 1), labels[rows]))
    model = mlp(parts[0][0].shape[1], 2)
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": loader(*parts[0]),
            "val": loader(*parts[1], shuffle=False), "optimizer": adam(model)}  # fmt: skip


@bug("data", "nearly every word unknown: the vocabulary is of another case", "tokens_vary", "tokens_used")
def unknown_words(seed):
    found, labels = sentences(seed)
    generator = torch.Generator().manual_seed(seed)
    rows = [torch.where(torch.rand(len(t), generator=generator) < 0.95, 1, t) for t in found]
    tokens = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    model = Lambda(lambda m, t: m["h"]((m["e"](t) * (t > 0)[..., None]).sum(1) / 10), e=nn.Embedding(60, 32),
                   h=nn.Linear(32, 3))  # fmt: skip
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": loader(tokens, labels), "optimizer": adam(model)}


@bug("optimisation", "two optimizers both hold the body", "optimizer_parameters")
def two_optimizers(seed):
    m = mlp()
    both, head = adam(m), adam(m[-1])

    def step(model, inputs, targets):
        both.zero_grad()
        F.cross_entropy(model(inputs), targets).backward()
        both.step()
        head.step()

    return digits_program(m, seed, optimizer=both, step=step)


@bug("optimisation", "weights tied by .data, so that two parameters are updated in one place", "optimizer_parameters")
def tied_by_data(seed):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.net = nn.Embedding(20, 32), nn.GRU(32, 32, batch_first=True)
            self.head = nn.Linear(32, 20)
            nn.init.normal_(self.embedding.weight, std=0.2)
            self.head.weight.data = self.embedding.weight.data

        def forward(self, x):
            return self.head(self.net(self.embedding(x))[0])

    g = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, 20, (600, 13), generator=g)
    for t in range(1, 13):
        tokens[:, t] = (tokens[:, t - 1] * 3 + tokens[:, 0]) % 20
    m = Tied()
    return {
        "model": m, "loss": lambda o, t: F.cross_entropy(o.flatten(0, 1), t.flatten()),
        "data": loader(tokens[:, :-1], tokens[:, 1:]), "optimizer": adam(m), "causal": True,
    }  # fmt: skip
