from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """A folder of two classes of 12 images each, told apart by their brightness."""
    rng = np.random.default_rng(0)
    for place, name in enumerate(("robin", "wren")):
        (tmp_path / "birds" / name).mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(0, 120, (20, 30, 3)) + 120 * place
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "birds" / name / f"p{number // 3}_{number}.png")
    return tmp_path / "birds"
