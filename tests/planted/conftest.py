from __future__ import annotations

import sys
from pathlib import Path

from tests.trial.conftest import one_thread  # noqa: F401 (a fixture for every test here)

sys.path.insert(0, str(Path(__file__).parent))  # plants name each other, and configs name them, as modules
