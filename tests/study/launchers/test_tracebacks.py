"""What a sweeper that calls ``launch`` gets back of a trial's exception: its class, its text, where it was raised."""

from pathlib import Path

import pytest

APP = """
import hydra

class Refused(Exception):
    def __init__(self, message, *, code):
        super().__init__(message)

@hydra.main(version_base=None)
def main(cfg):
    if cfg.x == 2:
        raise Refused("no", code=3)
    if cfg.x == 3:
        assert not cfg
    return cfg.x

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize(("x", "line"), [(2, "raise Refused"), (3, "assert not cfg")])
@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.long)])
def test_the_traceback_is_the_apps_own(run, tmp_path: Path, method, x, line):
    (tmp_path / "app.py").write_text(APP)
    ours = ("hydra/launcher=local", f"hydra.launcher.start_method={method}")
    said = {}
    for launcher in (("hydra/launcher=basic",), ours):
        done = run(tmp_path / "app.py", "-m", f"+x=1,{x}", *launcher)
        assert done.code == 1 and line in done.err, done
        said[launcher] = done.err[done.err.index("Error executing") :]
    assert said[ours] == said["hydra/launcher=basic",]
