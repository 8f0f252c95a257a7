"""How the root of ``spanloom run`` ends, whatever ends the program."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def run(tmp_path: Path, source: str, *words: str) -> tuple[int, dict[str, Any]]:
    """The exit status of the program, and its root."""
    (tmp_path / "app.py").write_text(source)
    environ = {**os.environ, "SPANLOOM_DIR": str(tmp_path / "record")}
    command = [sys.executable, "-m", "spanloom"]
    done = subprocess.run(
        [*command, "run", "--", sys.executable, *(words or ["app.py"])],
        cwd=tmp_path, env=environ, check=False, capture_output=True, text=True,
    )  # fmt: skip
    shown = subprocess.run(
        [*command, "trace", "last", "--json"], env=environ, check=True, capture_output=True
    )
    (root,) = (n["span"] for n in json.loads(shown.stdout)["spans"] if not n["span"]["parent_id"])
    assert "spanloom" not in done.stderr
    return done.returncode, root


ENDS = {
    "nothing": ("pass", 0, "ok"),
    "sys.exit()": ("import sys; sys.exit()", 0, "ok"),
    "sys.exit(0)": ("import sys; sys.exit(0)", 0, "ok"),
    "sys.exit(3)": ("import sys; sys.exit(3)", 3, "error"),
    "sys.exit with a text": ("import sys; sys.exit('no such file')", 1, "error"),
    "from main()": ("import sys\ndef main(): return 4\nsys.exit(main())", 4, "error"),
    "deep": ("import sys\ndef f():\n  sys.exit(5)\ndef g():\n  with open('x', 'w'):\n    f()\ng()", 5, "error"),
    # these two look like one that was caught, and are then left as ok
    "through a finally": ("import sys\ntry:\n  sys.exit(5)\nfinally:\n  print()", 5, None),
    "raised again": (
        "import sys\ndef f():\n  try:\n    sys.exit(5)\n  except SystemExit:\n    raise\nf()", 5, None
    ),
    "argparse": ("import argparse; argparse.ArgumentParser().parse_args(['--x'])", 2, "error"),
    "caught": ("import sys\ntry:\n  sys.exit(6)\nexcept SystemExit:\n  pass", 0, "ok"),
    "caught in a function": (
        "import sys\ndef f():\n  try:\n    sys.exit(6)\n  except SystemExit:\n    return 1\nf()", 0, "ok"
    ),
    "caught by contextlib": (
        "import sys, contextlib\nwith contextlib.suppress(SystemExit):\n  sys.exit(6)\nprint()", 0, "ok"
    ),
    "caught, then for good": (
        "import sys\ntry:\n  sys.exit(6)\nexcept SystemExit:\n  pass\nsys.exit(7)", 7, "error"
    ),
    "in a thread": (
        "import sys, threading\nt = threading.Thread(target=sys.exit, args=(6,))\nt.start(); t.join()",
        0, "ok",
    ),
    "an exception": ("raise LookupError('x')", 1, "error"),
}  # fmt: skip


@pytest.mark.parametrize("how", ENDS)
def test_the_root_ends_as_the_program_did(tmp_path: Path, how: str) -> None:
    source, status, wanted = ENDS[how]
    ended, root = run(tmp_path, source)
    assert ended == status
    if wanted is not None:
        assert root["status"] == wanted, root
    assert root.get("ended_by") in (None, "SystemExit")
    if how == "sys.exit with a text":
        assert root["error"]["message"] == "no such file"


def test_of_a_module_too(tmp_path: Path) -> None:
    ended, root = run(tmp_path, "import sys; sys.exit(3)", "-m", "app")
    assert (ended, root["status"], root["name"]) == (3, "error", "app")
