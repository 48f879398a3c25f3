"""JSON lines, each with a checksum of its own: a torn or corrupted one is skipped, the others count."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_CHECK = b',"crc":"'


def append_line(fd: int, event: Mapping[str, Any]) -> None:
    """Append one JSON line with one ``write``; a short write (full disk) raises OSError."""
    line = as_line(event)
    if os.write(fd, line) != len(line):
        os.write(fd, b"\n")  # close the torn line, so that the next one stands alone
        raise OSError(28, "no space left: a record line was written in part")


def as_line(event: Mapping[str, Any]) -> bytes:
    """An event as JSON with its checksum."""
    body = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass")[:-1]
    return b'%b%b%08x"}\n' % (body, _CHECK, zlib.crc32(body))


def read_line(line: bytes) -> dict[str, Any] | None:
    """What :func:`append_line` wrote; None if it is torn or corrupted. A checksum may be lacking, not be wrong."""
    line = line.strip(b"\0")  # what a power cut leaves of a last block, before lines written later
    body, _, check = line.rpartition(_CHECK)
    if body and check != b'%08x"}' % zlib.crc32(body):
        return None
    try:
        event = json.loads(line.decode(errors="replace"))  # a file's name need not be UTF-8
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict):
        return None
    event.pop("crc", None)
    return event


class Tail:
    """Reads the lines that a JSON-lines file has gained since the last call; torn lines wait or are skipped."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        self.offset = offset
        self.skipped = 0  # lines that can't be read

    def read(self) -> list[dict[str, Any]]:
        try:
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data.rfind(b"\n") + 1
        self.offset += whole
        events = []
        for line in data[:whole].split(b"\n"):
            event = read_line(line)
            if event is not None:
                events.append(event)
            elif line:
                self.skipped += 1
        return events
