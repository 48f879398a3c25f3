"""The reading that `status` can't do without, and no more: `plain_reads.py STUDY` reads each trial's files once."""

import json
import os
import sys
from pathlib import Path

study = Path(sys.argv[1])
ended = 0
for line in (study / "trials.jsonl").read_text().splitlines():
    folder = study / json.loads(line)["folder"]
    for name in os.listdir(folder):
        if name.startswith("events."):
            for event in map(json.loads, (folder / name).read_text().splitlines()):
                ended += event["event"] == "end"
print(ended)
