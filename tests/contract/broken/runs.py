"""Runs of the contract suites over what is broken, each in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.contract.broken.plugins import ALL

BROKEN = Path(__file__).parent
ROOT = BROKEN.parents[2]
# A plugin is woken by an import; each takes another. None is imported while the patched module is.
WAKE = (
    "_base_client", "lib._pydantic", "lib._tools", "lib._parsing", "lib", "_client", "lib.azure",
    "version", "lib._old_api", "_module_client", "types.batch",
)  # fmt: skip

Runs = Sequence[tuple[Path, "subprocess.Popen[bytes]"]]
"""The report that a run will leave, and its process."""


def start_all(place: Path) -> Runs:
    """Two for the integrations, as they take longest."""
    installed(place)
    return [
        start(place, "suite_integrations.py", ALL[0::2]),
        start(place, "suite_integrations.py", ALL[1::2]),
        start(place, "suite_backends.py", ()),
    ]


def installed(place: Path) -> None:
    """A distribution with all the broken plugins, and a module for each."""
    points = ["[spanloom.integrations]"]
    for name, wake in zip(ALL, WAKE, strict=True):
        points.append(f"openai.{wake} = {name}:INTEGRATION")
        lines = [f"from plugins import {name} as INTEGRATION"]
        if name == "broken_imports":
            lines.insert(0, "import openai")
        (place / f"{name}.py").write_text("\n".join(lines) + "\n")
    facts = place / "broken-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("\n".join(points) + "\n")


def start(place: Path, suite: str, part: Sequence[str]) -> "tuple[Path, subprocess.Popen[bytes]]":
    paths = [str(place), str(BROKEN), str(ROOT), *(p for p in sys.path if p)]
    report = place / f"{suite}-{len(part)}.xml"
    running = subprocess.Popen(
        [
            *(sys.executable, "-W", "error", "-m", "pytest", str(BROKEN / suite)),
            *("-q", "--tb=line", "-p", "no:cacheprovider", "-p", "no:randomly"),
            *("--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml")),
            f"--junitxml={report}",
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "SPANLOOM_STRICT": "1",
            "BROKEN": " ".join(part),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return report, running
