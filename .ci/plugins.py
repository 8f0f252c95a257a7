"""Install the wheel and somebody else's plugins into a fresh environment, and try them there."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLUGINS = ROOT / "examples" / "plugins"
WHERE = """
import parrot, spanloom, spanloom_parrot
for module in (parrot, spanloom, spanloom_parrot):
    print(module.__file__)
"""


def run(*command: str | Path, cwd: Path, environ: Mapping[str, str] | None = None) -> str:
    print("$", *(str(word).strip() for word in command), flush=True)
    done = subprocess.run(
        command, cwd=cwd, env=environ, stdout=subprocess.PIPE, text=True, check=False
    )
    print(done.stdout, end="", flush=True)
    if done.returncode:
        sys.exit(f"exit status {done.returncode}")
    return done.stdout


def main(scratch: Path, *arguments: str) -> None:
    dist, venv = scratch / "dist", scratch / "stranger"
    python = venv / ("Scripts" if os.name == "nt" else "bin") / "python"
    for number, project in enumerate((ROOT, PLUGINS / "parrot", PLUGINS)):
        clear = () if number else ("--clear",)
        run("uv", "build", "--quiet", "--wheel", *clear, "--out-dir", dist, project, cwd=scratch)
    wheels = sorted(dist.glob("*.whl"))
    assert len(wheels) == 3, wheels
    described = tomllib.loads((PLUGINS / "pyproject.toml").read_text(encoding="utf-8"))
    tools = [tool for tool in described["dependency-groups"]["test"] if tool != "parrot-client"]
    run("uv", "venv", "--quiet", "--clear", "--python", sys.executable, venv, cwd=scratch)
    install = ("uv", "pip", "install", "--quiet", "--python", python)
    run(*install, *wheels, *tools, "mypy>=1.15", cwd=scratch)

    # not here: `src` must not be found beside what is installed
    unwanted = ("PYTHON", "SPANLOOM_", "VIRTUAL_ENV")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
    environ["PATH"] = os.pathsep.join((str(python.parent), environ["PATH"]))
    for file in run(python, "-c", WHERE, cwd=scratch, environ=environ).split():
        assert Path(file).is_relative_to(venv), f"{file} is not what was installed"
    run(python, "-m", "mypy", "--strict", "-p", "spanloom_parrot", cwd=scratch, environ=environ)
    tests = ("-q", "-p", "no:cacheprovider", "-c", PLUGINS / "pyproject.toml", PLUGINS / "tests")
    run(python, "-m", "pytest", *tests, *arguments, cwd=scratch, environ=environ)

    environ |= {"SPANLOOM_BACKENDS": "local,sqlite", "SPANLOOM_PROCESSORS": "tenant"}
    environ["COLUMNS"] = "90"
    said = run(python, "-m", "spanloom", "doctor", cwd=scratch, environ=environ).splitlines()
    for line in (
        "  [OK] tenant on, from spanloom-parrot 0.1.0",
        f"  [OK] sqlite to {scratch / '.spanloom' / 'spans.sqlite'}",
        "  [OK] parrot    parrot-client 1.2.0, 2 places to record (supports >=1.2)",
        "no problem",
    ):
        assert line in said, f"spanloom doctor does not say {line!r}"


main(Path(sys.argv[1]).resolve(), *sys.argv[2:])
