"""Build the wheel, install it alone into a fresh environment, and use it there."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

BASE = 8  # most distributions that `pip install spanloom` may bring
CODE = """
import sys, importlib.metadata as m
import spanloom
late = {"rich", "openai", "opentelemetry", "asyncio", "http.client"} & set(sys.modules)
assert not late, f"import spanloom brings {late}"
import spanloom_integrations
points = [p for g in ("backends", "integrations", "processors")
          for p in m.entry_points(group=f"spanloom.{g}")]
for point in points:
    point.load()
assert "openai" not in sys.modules, "an integration imports its framework"
print("entry points:", ", ".join(sorted(p.name for p in points)))
"""


def run(*command: str | Path, cwd: Path | None = None) -> str:
    print("$", *command, flush=True)
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}\nexit status {done.returncode}")
    return done.stdout


def main(scratch: Path) -> None:
    root = Path(__file__).parent.parent
    # from the source distribution, so that this one is known to be complete
    run("uv", "build", "--clear", "--out-dir", scratch / "dist", root)
    (wheel,) = (scratch / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"spanloom", "spanloom_integrations"}, tops
    for needed in ("spanloom/py.typed", "spanloom_integrations/py.typed"):
        assert needed in names, f"{needed} is missing"
    assert any(name.endswith("licenses/LICENSE") for name in names), "the licence is missing"

    venv = scratch / "bare"
    run("uv", "venv", "--clear", "--python", sys.executable, venv)
    binaries = venv / ("Scripts" if os.name == "nt" else "bin")
    run("uv", "pip", "install", "--python", binaries / "python", wheel)
    installed = run("uv", "pip", "list", "--python", binaries / "python", "--format", "freeze")
    print(installed, end="")
    assert len(installed.split()) <= BASE, f"the base brings more than {BASE} distributions"
    print(run(binaries / "python", "-W", "error", "-c", CODE, cwd=scratch), end="")
    version = run(binaries / "spanloom", "--version", cwd=scratch)
    assert version.split()[1] in wheel.name, version
    print(version, end="")


main(Path(sys.argv[1]))
