"""Run the blocks of a page one after the other, as a reader would: in one directory of their own."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.docs.blocks import RUN, Block

from spanloom.testing import Chat, FakeProvider, Tokens

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "examples" / "plugins"
TIME_LIMIT_S = 90
# a reader's own program, where a page speaks of one without showing it
APP = """import openai
reply = openai.OpenAI().chat.completions.create(
    model="gpt-4o-mini", messages=[{"role": "user", "content": "Say hello."}]
)
print(reply.choices[0].message.content)
"""
SETUP = re.compile(r"\./demo\b|\./check\b|pip install\b|uv ")
"""Commands of the landing page that its bare blocks do not run: each has an environment of its own."""
CONFIGURED = """
import sys
from spanloom import plugins, settings
loaded = settings.load()
assert loaded.config is not None, "no settings were found in it"
assert len(plugins.backends(loaded)) == len(loaded.backends)
assert len(plugins.processors(loaded)) == len(loaded.processors)
"""
LOADED = """
import sys
from importlib.metadata import EntryPoint
for place in sys.argv[1:]:
    EntryPoint("", place, "").load()
"""
PRICED = """
import spanloom
spanloom.init(backends=["memory"], prices="prices.toml")
with spanloom.llm_call(provider="openai_compatible", model="llama-3") as call:
    call.record(usage={"input": 1, "output": 1})
assert spanloom.flush().ok and not spanloom.stats()["worker_faults"]
"""


def reader_provider() -> FakeProvider:
    """Says hello where it is asked to; everything else is invented, and the same each time."""
    provider = FakeProvider(seed=7)
    hello = Chat(text="Hello! How can I help you?", usage=Tokens(10, 9), finish_reason="stop")
    provider.on(lambda call: call.text == "Say hello.", hello)
    return provider


class Done(NamedTuple):
    command: str
    line: int
    status: int
    printed: str
    shown: str


class Place:
    """The directory of one page: in a clone, with an environment in which the plugins are installed."""

    def __init__(self, scratch: Path, provider_url: str, *, with_plugins: bool) -> None:
        self.scratch = scratch
        self.directory = directory = scratch / "page"
        directory.mkdir()
        self.environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SPANLOOM_", "OTEL_", "PYTHONPATH"))
        }
        bin_directory = os.path.dirname(sys.executable)
        self.environ |= {
            "PATH": os.pathsep.join((bin_directory, self.environ.get("PATH", ""))),
            "OPENAI_BASE_URL": provider_url,
            "OPENAI_API_KEY": "none-needed",
            "PARROT_BASE_URL": provider_url,
            "COLUMNS": "80",
            "NO_COLOR": "1",
        }
        (directory / "app.py").write_text(APP, encoding="utf-8")
        (directory / "examples").symlink_to(ROOT / "examples")
        (directory / ".venv").symlink_to(sys.prefix)
        if with_plugins:
            site = scratch / "site"
            install(PLUGINS / "parrot", site)
            install(PLUGINS, site)
            self.environ["PYTHONPATH"] = str(site)

    def run(self, block: Block, *, landing: bool) -> list[Done]:
        """What the commands of a block did. A Python block that names a file is only written there."""
        if block.word != RUN and not (landing and not block.word):
            return []
        if block.language == "python":
            if block.file is not None:
                (self.directory / block.file).write_text(block.text, encoding="utf-8")
                return []
            status, printed = self._bash('python -c "$CODE"', CODE=block.text)
            return [Done("(python)", block.line, status, printed, "")]
        commands = [c for c in block.commands if not (landing and SETUP.match(c[0]))]
        script = "set -u\n"
        for command, _ in commands:
            # what is started in the background must be ready for the next line
            pause = "sleep 2\n" if command.endswith("&") else ""
            script += f"{command}\n{pause}printf '\\036%d\\036' $?\n"
        _, printed = self._bash(script)
        found = re.split("\036(\\d+)\036", printed)
        return [
            Done(command, block.line, int(status or -1), text, shown)
            for (command, shown), text, status in zip(
                commands, found[::2], [*found[1::2], *[""] * len(commands)], strict=False
            )
        ]

    def _bash(self, script: str, **variables: str) -> tuple[int, str]:
        """Status and output, with whatever the script left running ended."""
        output = self.scratch / "printed"
        with output.open("wb") as file:
            process = subprocess.Popen(
                ["bash", "-c", script],
                cwd=self.directory, env=self.environ | variables, stdin=subprocess.DEVNULL,
                stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            try:
                status = process.wait(TIME_LIMIT_S)
            finally:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                process.wait()
        return status, output.read_text(encoding="utf-8", errors="replace")

    def check_toml(self, block: Block) -> str | None:
        """What spanloom has against a configuration file, strictly."""
        found = tomllib.loads(block.text)
        name = Path(block.file or "").name
        code = PRICED if name == "prices.toml" else CONFIGURED
        if name == "pyproject.toml" and "spanloom" not in found.get("tool", {}):
            return wrong_entry_points(found) or self._not_loaded(found)
        folder = self.scratch / f"toml-{block.line}"
        folder.mkdir()
        (folder / name).write_text(block.text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=folder, env=self.environ | {"SPANLOOM_STRICT": "1"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stderr if done.returncode else None

    def _not_loaded(
        self, found: Mapping[str, Mapping[str, Mapping[str, Mapping[str, str]]]]
    ) -> str:
        """Entry points behind which there is nothing, where the page's plugins are installed."""
        groups = found.get("project", {}).get("entry-points", {}).values()
        places = [place for points in groups for place in points.values()]
        done = subprocess.run(
            [sys.executable, "-c", LOADED, *places], cwd=self.directory, env=self.environ,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stderr


GROUPS = {f"spanloom.{kind}" for kind in ("integrations", "processors", "backends", "recognisers")}


def wrong_entry_points(found: Mapping[str, Mapping[str, Mapping[str, Mapping[str, str]]]]) -> str:
    """Groups and forms that nobody would find."""
    for group, points in found.get("project", {}).get("entry-points", {}).items():
        if group not in GROUPS:
            return f"no entry point group: {group}"
        for name, place in points.items():
            if not re.fullmatch(r"[\w.]+:\w+", place):
                return f"{name} names no object: {place}"
    return ""


def install(project: Path, site: Path) -> None:
    """What an installer does for a package of plain Python, without the network it would want."""
    described = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    name, version = described["name"].replace("-", "_"), described["version"]
    shutil.copytree(project / "src", site, dirs_exist_ok=True)
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    about = f"Metadata-Version: 2.1\nName: {described['name']}\nVersion: {version}\n"
    (info / "METADATA").write_text(about, encoding="utf-8")
    lines: list[str] = []
    for group, points in described.get("entry-points", {}).items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
