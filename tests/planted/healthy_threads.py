"""Healthy programs that public code has and that a check might take for broken: no verdict may fail."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from bugs.evaluation import right
from bugs.model import Lambda
from bugs.threads_models import Positions, ordered, sines
from bugs.threads_pairs import both, in_parts, three, time_first, translated
from bugs.threads_training import blobs, pairs, segmented, triplets
from plants import adam, cnn, digits, digits_program, healthy, loader, mlp, table
from torch import nn
from torch.utils.data import DataLoader, SubsetRandomSampler, TensorDataset


@healthy("one data set, two SubsetRandomSamplers for the splits")
def subsets(seed):
    x, y, vx, vy = digits(seed)
    whole = TensorDataset(torch.cat([x, vx]), torch.cat([y, vy]))
    order = torch.randperm(len(whole), generator=torch.Generator().manual_seed(seed)).tolist()
    data, val = (DataLoader(whole, 64, sampler=SubsetRandomSampler(o)) for o in (order[:1400], order[1400:]))
    return digits_program(mlp(), seed, data=data, val=val)


@healthy("pixels 0 to 255, which the model divides by 255")
def divides(seed):
    x, y, *_ = digits(seed)
    x = ((x - x.min()) / (x.max() - x.min()) * 255).round()
    net = cnn()
    return digits_program(Lambda(lambda m, x: m["net"](x / 255), net=net), seed, data=loader(x, y), val=None)


@healthy("bytes, made numbers by the model")
def bytes_(seed):
    x, y, *_ = digits(seed)
    x = ((x - x.min()) / (x.max() - x.min()) * 255).round().byte()
    net = cnn()
    model = Lambda(lambda m, x: m["net"]((x.float() - 78) / 96), net=net)
    return digits_program(model, seed, data=loader(x, y), val=None)


@healthy("a raw table, batch norm as the first layer")
def norm_first(seed):
    x, y, *_ = table("wine", seed)
    x = x * torch.logspace(-1, 3, 13) + torch.logspace(0, 3, 13)
    model = nn.Sequential(nn.BatchNorm1d(13), nn.Linear(13, 32), nn.ReLU(), nn.Linear(32, 3))
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": loader(x, y, size=32), "optimizer": adam(model)}


@healthy("missing inputs (NaN), which the model replaces and marks")
def missing_inputs(seed):
    x, y, *_ = table("breast_cancer", seed)
    x = x.masked_fill(torch.rand(x.shape, generator=torch.Generator().manual_seed(seed)) < 0.05, float("nan"))
    model = Lambda(lambda m, x: m["net"](torch.cat([x.nan_to_num(0.0), x.isnan().float()], 1)), net=mlp(60, 2))
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": loader(x, y), "optimizer": adam(model)}


@healthy("several targets, some missing (NaN), left out before the loss")
def missing_targets(seed):
    x, y, *_ = table("diabetes", seed)
    y = (y - y.mean()) / y.std()
    targets = torch.stack([y, x[:, 2] + 0.1 * y, -y + 0.2 * x[:, 3]], 1)
    gone = torch.rand(targets.shape, generator=torch.Generator().manual_seed(seed)) < 0.3
    targets = targets.masked_fill(gone, float("nan"))

    def loss(o, t):
        there = ~t.isnan()
        return F.mse_loss(o[there], t[there])

    model = mlp(10, 3)
    return {"model": model, "loss": loss, "data": loader(x, targets), "optimizer": adam(model)}


class ArcFace(nn.Module):
    """Cosines to one weight a class; in training the right class is moved by a margin (Deng et al. 2019)."""

    def __init__(self):
        super().__init__()
        self.body, self.weight = mlp(outputs=32), nn.Parameter(torch.randn(10, 32))

    def forward(self, x, labels):
        cosines = F.linear(F.normalize(self.body(x)), F.normalize(self.weight)).clamp(-1 + 1e-6, 1 - 1e-6)
        if self.training:
            cosines = torch.where(F.one_hot(labels, 10).bool(), (cosines.acos() + 0.2).cos(), cosines)
        return 16 * cosines


@healthy("a margin on the right class, whose label the model takes (ArcFace)")
def arcface(seed):
    x, y, *_ = digits(seed)
    model = ArcFace()
    data = DataLoader(TensorDataset(x, y, y), 64, shuffle=True)
    return digits_program(model, seed, data=data, val=None)


class Proxies(nn.Module):
    """A loss with a proxy a class (Movshovitz-Attias et al. 2017)."""

    def __init__(self):
        super().__init__()
        self.proxies = nn.Parameter(torch.randn(10, 32))

    def forward(self, o, t):
        return F.cross_entropy(-torch.cdist(F.normalize(o), F.normalize(self.proxies)).square() * 4, t)


@healthy("embeddings, the classes' proxies in the loss")
def proxies(seed):
    model, loss = mlp(outputs=32), Proxies()
    return digits_program(model, seed, loss=loss, optimizer=adam([*model.parameters(), *loss.parameters()]))


@healthy("hardest triplets of the batch by its labels")
def hardest(seed):
    return triplets(seed, 1e-3)


@healthy("supervised contrastive loss over the batch")
def supervised_contrast(seed):
    def loss(o, t):
        o = F.normalize(o, dim=1)
        own = torch.eye(len(o), dtype=torch.bool)
        scores = (o @ o.T / 0.2).masked_fill(own, -1e9).log_softmax(1)
        same = (t[:, None] == t) & ~own
        return -((scores * same).sum(1) / same.sum(1).clamp(min=1)).mean()

    return digits_program(mlp(outputs=32), seed, loss=loss)


@healthy("adaptive softmax: the loss has the last layer")
def adaptive(seed):
    model, last = mlp(outputs=32), nn.AdaptiveLogSoftmaxWithLoss(32, 10, [4])
    return digits_program(model, seed, loss=lambda o, t: last(o, t).loss,
                          optimizer=adam([*model.parameters(), *last.parameters()]))  # fmt: skip


@healthy("lists of documents, softmax over a list (ListNet)")
def listwise(seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(500, 8, 6, generator=generator)
    grades = (x[..., 0] + 0.5 * x[..., 1] * x[..., 2]).argsort(1).argsort(1).float() / 2
    model = Lambda(lambda m, x: m["net"](x)[..., 0], net=nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 1)))
    loss = lambda o, t: -(t.softmax(1) * o.log_softmax(1)).sum(1).mean()  # noqa: E731
    return {"model": model, "loss": loss, "data": loader(x, grades), "optimizer": adam(model, 3e-3)}


@healthy("bags of instances, gated attention")
def bags(seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(600, 12, 8, generator=generator)
    y = (x[..., 0] > 1.6).any(1).long()

    class Bags(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.v, self.u = nn.Sequential(nn.Linear(8, 32), nn.ReLU()), nn.Linear(32, 16), nn.Linear(32, 16)
            self.w, self.head = nn.Linear(16, 1), nn.Linear(32, 2)

        def forward(self, x):
            h = self.body(x)
            share = self.w(self.v(h).tanh() * self.u(h).sigmoid()).softmax(1)
            return self.head((share * h).sum(1))

    model = Bags()
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": loader(x, y), "optimizer": adam(model, 3e-3)}


class Chain(nn.Module):
    """The likelihood of a linear chain (Lafferty et al. 2001)."""

    def __init__(self, classes):
        super().__init__()
        self.moves = nn.Parameter(0.1 * torch.randn(classes, classes))

    def forward(self, o, t):
        right = o.gather(2, t[..., None])[..., 0].sum(1) + self.moves[t[:, :-1], t[:, 1:]].sum(1)
        total = o[:, 0]
        for step in o[:, 1:].unbind(1):
            total = (total[:, :, None] + self.moves).logsumexp(1) + step
        return (total.logsumexp(1) - right).mean() / o.shape[1]


@healthy("a class a token by a linear chain (CRF)")
def chain(seed):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, 12, (500, 8), generator=generator)
    labels = (tokens % 3 + tokens.roll(1, 1) % 3) % 3
    model = Lambda(lambda m, t: m["h"](m["r"](m["e"](t))[0]), e=nn.Embedding(12, 16),
                   r=nn.GRU(16, 32, batch_first=True, bidirectional=True), h=nn.Linear(64, 3))  # fmt: skip
    loss = Chain(3)
    return {"model": model, "loss": loss, "data": loader(tokens, labels),
            "optimizer": adam([*model.parameters(), *loss.parameters()], 3e-3)}  # fmt: skip


@healthy("diffusion: times and noise drawn in the forward pass")
def diffusion(seed):
    class Diffusion(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(65, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, 64))

        def forward(self, x):
            t, noise = torch.rand(len(x), 1), torch.randn_like(x)
            angle = t * math.pi / 2
            return self.net(torch.cat([angle.cos() * x + angle.sin() * noise, t], 1)), noise

    x, *_ = digits(seed)
    model = Diffusion()
    return {"model": model, "loss": lambda o, t: F.mse_loss(o[0], o[1]), "data": loader(x.flatten(1), x.flatten(1)),
            "optimizer": adam(model)}  # fmt: skip


@healthy("mixup, labels mixed alike")
def mixed(seed):
    def augment(x, y, generator):
        other = torch.randperm(len(x), generator=generator)
        share = 0.7 + 0.3 * torch.rand(1, generator=generator)
        hot = F.one_hot(y, 10).float() if y.ndim == 1 else y
        return share * x + (1 - share) * x[other], share * hot + (1 - share) * hot[other]

    return digits_program(cnn(), seed, augment=augment)


@healthy("one against all: ten sigmoids, labels made one-hot in the loss")
def one_against_all(seed):
    loss = lambda o, t: F.binary_cross_entropy_with_logits(o, F.one_hot(t, 10).float())  # noqa: E731
    return digits_program(mlp(), seed, loss=loss)


@healthy("soft assignment to clusters, descriptors by cluster (NetVLAD)")
def vlad(seed):
    class Vlad(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.assign = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 8, 1)
            self.centres, self.head = nn.Parameter(torch.randn(8, 16)), nn.Linear(128, 10)

        def forward(self, x):
            h = self.body(x).relu()
            share = self.assign(h).flatten(2).softmax(1)
            found = share @ h.flatten(2).transpose(1, 2) - share.sum(2)[..., None] * self.centres
            return self.head(F.normalize(found.flatten(1)) * 4)

    return digits_program(Vlad(), seed)


@healthy("sines of positions, added")
def with_positions(seed):
    return ordered(seed, Positions(sines(64, 32), slice))


@healthy("segmentation of discs, pictures and masks flipped together")
def discs(seed):
    pictures, masks = blobs(seed)
    whole = torch.cat([pictures, masks], 1)

    class Flipped(torch.utils.data.Dataset):
        def __len__(self):
            return len(whole)

        def __getitem__(self, i):
            both = whole[i].flip(-1) if torch.rand(()) < 0.5 else whole[i]
            return both[:1], both[1:]

    return segmented(seed, pictures, masks, data=DataLoader(Flipped(), 64, shuffle=True))


@healthy("a step that updates once in four calls")
def every_fourth(seed):
    return in_parts(seed, True)


@healthy("CosineEmbeddingLoss with labels -1 and 1")
def cosine_signs(seed):
    program = pairs(seed, lambda o, t: F.cosine_embedding_loss(*o, 2 * t - 1))
    model = Lambda(both, body=mlp(outputs=16))
    return {**program, "model": model, "optimizer": adam(model)}


@healthy("pairs, contrastive, far apart at the start")
def far_pairs(seed):
    return pairs(seed, lambda d, y: (y * d.square() + (1 - y) * (0.1 - d).clamp(min=0).square()).mean())


@healthy("a distance and a learnt threshold make a logit")
def threshold(seed):
    program = pairs(seed, lambda o, t: F.binary_cross_entropy_with_logits(o, t))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.cut = mlp(outputs=16), nn.Parameter(torch.tensor(1.0))

        def forward(self, a, b):
            return self.cut - F.pairwise_distance(self.body(a), self.body(b))

    model = Net()
    return {**program, "model": model, "optimizer": adam(model)}


@healthy("triplets in order, their distances in the loss")
def triplets_in_order(seed):
    return three(seed, lambda o, t: F.triplet_margin_loss(*o))


@healthy("encoder and decoder, the target one to the right")
def decoder_shifted(seed):
    return translated(seed, 1)


@healthy("a class a token, time first, targets turned in the loss")
def turned_time_first(seed):
    return time_first(seed, True)


@healthy("positions that are learnt and start at 0")
def learnt_positions(seed):
    class Learnt(nn.Module):
        def __init__(self):
            super().__init__()
            self.pos_embed = nn.Parameter(torch.zeros(1, 10, 32))

        def forward(self, x):
            return x + self.pos_embed

    return ordered(seed, Learnt())


@healthy("digits as black and white tokens, the next pixel")
def pixels(seed):
    x, *_ = digits(seed)
    tokens = (x.flatten(1) > 0.8).long()
    model = Lambda(lambda m, t: m["h"](m["r"](m["e"](t))[0]), e=nn.Embedding(2, 16),
                   r=nn.GRU(16, 96, batch_first=True), h=nn.Linear(96, 2))  # fmt: skip
    loss = lambda o, t: F.cross_entropy(o.flatten(0, 1), t.flatten())  # noqa: E731
    return {"model": model, "loss": loss, "data": loader(tokens[:, :-1], tokens[:, 1:]), "optimizer": adam(model, 3e-3)}


@healthy("slots that compete for the places of a picture (slot attention)")
def slots(seed):
    class Slots(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.start = nn.Linear(8, 32), nn.Parameter(torch.randn(8, 32))
            self.q, self.k, self.v, self.head = (
                nn.Linear(32, 32),
                nn.Linear(32, 32),
                nn.Linear(32, 32),
                nn.Linear(32, 10),
            )

        def forward(self, x):
            h = self.body(x[:, 0]).relu()
            share = (self.q(self.start) @ self.k(h).transpose(1, 2) / 32**0.5).softmax(1)
            share = share / (share.sum(2, keepdim=True) + 1e-6)
            return self.head((self.start + share @ self.v(h)).relu().mean(1))

    return digits_program(Slots(), seed)


@healthy("a moving average of the weights is evaluated, decay 0.999")
def averaged_evaluation(seed):
    model = mlp()
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.999))
    optimizer = adam(model)

    def step(inputs, targets):
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
        average.update_parameters(model)

    def evaluate(loader):
        return right(average, loader)

    return digits_program(model, seed, optimizer=optimizer, step=step, evaluate=evaluate)


@healthy("a bright spot always near the middle, its mask")
def middle(seed):
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    size = 6 + 20 * torch.rand(300, 1, 1, 1, generator=generator)
    masks = ((rows - 7.5).square() + (columns - 7.5).square() < size).float()
    pictures = masks + torch.randn(300, 1, 16, 16, generator=generator)
    return segmented(seed, (pictures - pictures.mean()) / pictures.std(), masks)


@healthy("segmentation by texture: stripes across or along, equally bright")
def texture(seed):
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    cut = torch.randint(4, 12, (400, 1, 1, 1), generator=generator)
    masks = (columns < cut).float()
    pictures = torch.where(masks > 0, (rows % 2).float(), (columns % 2).float()) * 2 - 1
    pictures = pictures + 0.1 * torch.randn(400, 1, 16, 16, generator=generator)
    return segmented(seed, pictures, masks)
