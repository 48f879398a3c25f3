"""The least that a training script does before its first step is over; prints the time when it is."""

import time

import hydra  # noqa: F401 (imported as by any Hydra app)
import torch
from sklearn.datasets import load_digits
from torch import nn

inputs, targets = load_digits(return_X_y=True)
model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-4)
loss = nn.functional.cross_entropy(model(torch.tensor(inputs, dtype=torch.float32)), torch.tensor(targets))
loss.backward()
optimizer.step()
print(time.time())
