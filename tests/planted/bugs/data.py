from __future__ import annotations

import numpy as np
import torch
from plants import Config, adam, bug, cnn, digits, digits_program, loader, mlp, table
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

CE = nn.CrossEntropyLoss()


@bug("data", "unnormalised images (0 to 255)", "input_scale")
def unnormalised(seed):
    x, y, *_ = digits(seed)
    x = (x - x.min()) / (x.max() - x.min()) * 255
    return digits_program(cnn(), seed, data=loader(x, y), val=None)


@bug("data", "unnormalised table", "input_scale")
def unnormalised_table(seed):
    x, y, *_ = table("wine", seed)
    x = x.clone()
    x[:, 12] = x[:, 12] * 300 + 700
    model = mlp(13, 3)
    return {"model": model, "loss": CE, "data": loader(x, y), "optimizer": adam(model)}


@bug("data", "normalised twice (by a shift)", "input_scale")
def normalised_twice(seed):
    x, y, *_ = digits(seed)
    return digits_program(mlp(), seed, data=loader((x - 4.88) / 6.0, y), val=None)


@bug("data", "normalised twice (declared)", "input_scale")
def normalised_twice_declared(seed):
    x, y, *_ = digits(seed)
    x = (x - x.min()) / (x.max() - x.min())
    once = (x - 0.5) / 0.5
    return digits_program(mlp(), seed, data=loader((once - 0.5) / 0.5, y), val=None, normalised=(0.5, 0.5))


@bug("data", "divided by 255 twice", "input_scale")
def divided_twice(seed):
    x, y, *_ = digits(seed)
    return digits_program(mlp(), seed, data=loader((x - x.min()) / (x.max() - x.min()) / 255, y), val=None)


@bug("data", "validation not normalised", "split_scale")
def validation_not_normalised(seed):
    _, _, vx, vy = digits(seed)
    return digits_program(mlp(), seed, val=loader(vx * 6 + 4.9, vy, shuffle=False))


@bug("data", "NaN in a feature", "finite_inputs")
def nan(seed):
    x, y, *_ = digits(seed)
    x = x.clone()
    x[17, 0, 3, 3] = float("nan")
    return digits_program(mlp(), seed, data=loader(x, y))


@bug("data", "every example is the first (index bug)", "inputs_vary")
def one_example(seed):
    x, y, *_ = digits(seed)
    return digits_program(mlp(), seed, data=loader(x[:1].expand(len(x), -1, -1, -1).clone(), y), val=None)


@bug("data", "labels shuffled", "labels_aligned")
def shuffled_labels(seed):
    x, y, *_ = digits(seed)
    return digits_program(mlp(), seed, data=loader(x, y[torch.randperm(len(y))]), val=None)


@bug("data", "labels misaligned by one", "labels_aligned")
def misaligned(seed):
    x, y, *_ = digits(seed)
    return digits_program(mlp(), seed, data=(x, y.roll(1)), val=None)


@bug("data", "regression targets sorted apart from inputs", "labels_aligned")
def sorted_targets(seed):
    x, y, *_ = table("diabetes", seed)
    y = ((y - y.mean()) / y.std()).sort().values
    model = mlp(10, 1)
    return {"model": model, "loss": lambda o, t: (o[:, 0] - t).square(), "data": loader(x, y), "optimizer": adam(model)}


@bug("data", "split overlap", "split_overlap")
def overlap(seed):
    x, y, vx, vy = digits(seed)
    vx, vy = torch.cat([vx[:200], x[:100]]), torch.cat([vy[:200], y[:100]])
    return digits_program(mlp(), seed, data=(x, y), val=loader(vx, vy, shuffle=False))


@bug("data", "near-duplicates across splits", "split_overlap")
def near_duplicates(seed):
    x, y, vx, vy = digits(seed)
    near = x[:150] + 0.01 * torch.randn_like(x[:150])
    return digits_program(
        mlp(), seed, data=(x[:1000], y[:1000]), val=(torch.cat([vx[:200], near]), torch.cat([vy[:200], y[:150]]))
    )


@bug("data", "scaler fitted before the split", "scaler_fit")
def scaler_before_split(seed):
    x, y, vx, vy = table("breast_cancer", seed)
    whole = torch.cat([x, vx])
    whole = (whole - whole.mean(0)) / whole.std(0)
    model = mlp(30, 2)
    return {
        "model": model, "loss": CE, "data": (whole[: len(x)], y), "val": (whole[len(x) :], vy),
        "optimizer": adam(model),
    }  # fmt: skip


@bug("data", "target leakage", "target_leakage")
def leakage(seed):
    x, y, *_ = table("breast_cancer", seed)
    x = x.clone()
    x[:, 3] = (y - y.double().mean()) / y.double().std() + 0.001 * torch.randn(len(y))
    model = mlp(30, 2)
    return {"model": model, "loss": CE, "data": (x, y), "optimizer": adam(model)}


@bug("data", "class-index mismatch (from 1)", "labels_in_range")
def from_one(seed):
    x, y, *_ = digits(seed)
    return digits_program(mlp(), seed, data=loader(x, y + 1), val=None)


@bug("data", "class-index mismatch (an output too many)", "labels_in_range")
def from_one_fits(seed):
    x, y, *_ = digits(seed)
    return digits_program(mlp(outputs=11), seed, data=loader(x, y + 1), val=None)


@bug("data", "class-index mismatch between splits", "splits_agree")
def split_index(seed):
    _, _, vx, vy = digits(seed)
    order = torch.tensor([0, 1, 9, 2, 3, 4, 5, 6, 7, 8])
    return digits_program(mlp(), seed, val=loader(vx, order[vy], shuffle=False))


@bug("data", "wrong channel layout (NHWC)", "channel_layout")
def channels_last(seed):
    x, y, *_ = digits(seed)
    images = torch.nn.functional.interpolate(x, 16).expand(-1, 3, -1, -1).permute(0, 2, 3, 1).contiguous()
    return digits_program(cnn(channels=16), seed, data=loader(images[..., :3], y), val=None)


@bug("data", "wrong channel layout (view in place of permute)", "channel_layout")
def scrambled(seed):
    x, y, *_ = digits(seed)
    tint = torch.tensor([1.0, 0.7, 0.4]).reshape(1, 3, 1, 1)
    images = (torch.nn.functional.interpolate(x, 16, mode="bilinear") * tint).permute(0, 2, 3, 1).contiguous()
    return digits_program(cnn(channels=3), seed, data=loader(images.view(len(x), 3, 16, 16), y), val=None)


@bug("data", "unshuffled order", "shuffled")
def unshuffled(seed):
    x, y, *_ = digits(seed)
    order = y.argsort()
    return digits_program(mlp(), seed, data=loader(x[order], y[order], shuffle=False))


@bug("data", "shuffled once, but batches sorted by label", "mixed_batches")
def sorted_batches(seed):
    x, y, *_ = digits(seed)
    batches = [torch.where(y == c)[0][:64] for c in range(10)]
    return digits_program(mlp(), seed, data=[(x[b], y[b]) for b in batches], val=None)


@bug("data", "augmentation out of range", "augmentation_range")
def augmentation_range(seed):
    return digits_program(mlp(), seed, augment=lambda inputs: inputs + torch.randint(-64, 64, (len(inputs), 1, 1, 1)))


@bug("data", "augmentation destroys the label", "augmentation_label")
def augmentation_label(seed):
    def permute_pixels(inputs):
        order = torch.randperm(64)
        return inputs.flatten(1)[:, order].reshape(inputs.shape)

    return digits_program(mlp(), seed, augment=permute_pixels)


@bug("data", "augmentation permutes inputs, not targets", "augmentation_label")
def augmentation_permutes(seed):
    def mixed(inputs, targets):
        return inputs[torch.randperm(len(inputs))] + 0.05 * torch.randn_like(inputs), targets

    return digits_program(mlp(), seed, augment=mixed)


@bug("data", "augmentation seeded inside", "augmentation_varies")
def augmentation_seeded(seed):
    def noise(inputs):
        rng = np.random.default_rng(0)
        return inputs + torch.tensor(rng.normal(0, 0.1, inputs.shape), dtype=torch.float32)

    return digits_program(mlp(), seed, augment=noise)


class Noisy(Dataset):
    """Adds noise from a generator of its own, which workers copy."""

    def __init__(self, x, y, rng=None):
        self.x, self.y, self.rng = x, y, rng

    def __len__(self):
        return len(self.y)

    def __getitem__(self, index):
        if self.rng is None:
            noise = torch.randn(self.x[index].shape)
        else:
            noise = torch.tensor(self.rng.normal(size=self.x[index].shape), dtype=torch.float32)
        return self.x[index] + 0.1 * noise, self.y[index]


@bug("data", "the same augmentation in each worker", "workers_differ")
def workers(seed):
    x, y, *_ = digits(seed)
    data = Noisy(x[:300], y[:300], np.random.default_rng(seed))
    return digits_program(mlp(), seed, data=DataLoader(data, 64, shuffle=True, num_workers=2))


@bug("data", "augmented validation", "validation_plain")
def augmented_validation(seed):
    _, _, vx, vy = digits(seed)
    return digits_program(mlp(), seed, val=DataLoader(Noisy(vx, vy), 64))


@bug("data", "validation drops its last batch", "validation_whole")
def dropped(seed):
    _, _, vx, vy = digits(seed)
    return digits_program(mlp(), seed, val=DataLoader(TensorDataset(vx, vy), 64, drop_last=True))


@bug("data", "labels shuffled in the source (config)", "labels_aligned")
def config_shuffled(seed):
    return Config(("data._target_=bugs.parts.shuffled_digits",))


@bug("data", "augmentation out of range (config)", "augmentation_range")
def config_augmentation(seed):
    return Config(("regularizer=[noise]", "regularizer.noise.std=30"))
