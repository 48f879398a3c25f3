"""Names as Hydra's command line takes them."""

from __future__ import annotations

import re
from collections.abc import Sequence

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*( [A-Za-z0-9_.-]+)*")  # other signs are refused outside quotes


def listed(names: Sequence[str], most: int = 12) -> str:
    """``[a,b c,"größe (m²)"]``, the first ``most`` of them."""
    words = [name if PLAIN.fullmatch(name) else '"' + name.replace('"', '\\"') + '"' for name in names[:most]]
    return f"[{','.join([*words, *(['…'] if len(names) > most else [])])}]"
