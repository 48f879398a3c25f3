"""Memory joined to huge pages, as the kernel counts it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import re
from pathlib import Path
from sweeper.study.launchers.huge_pages import collapse

def huge_kb():
    return int(re.search(r"AnonHugePages:\\s+(\\d+)", Path("/proc/self/smaps_rollup").read_text())[1])

held = [bytes([i % 251]) * 1000 for i in range(40_000)]
before = huge_kb()
made = collapse()
print(before, huge_kb(), made)
assert all(part == bytes([i % 251]) * 1000 for i, part in enumerate(held))
"""


def _kernel_collapses() -> bool:
    release = tuple(int(part) for part in os.uname().release.split(".")[:2])
    setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    return sys.platform == "linux" and release >= (6, 1) and setting.exists() and "[never]" not in setting.read_text()


@pytest.mark.skipif(not _kernel_collapses(), reason="Linux 6.1 or later with transparent huge pages")
def test_memory_becomes_huge_pages_and_keeps_what_it_holds() -> None:
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=120)
    before, after, made = map(int, ran.stdout.split())
    assert made >= 10 and after - before >= made * 1024
