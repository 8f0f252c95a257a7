"""The documentation: links resolve, examples run, generated pages are fresh, nothing is missing."""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

import spanloom
from spanloom import settings
from spanloom.cli import COMMANDS
from spanloom.testing import FakeProvider

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
FENCE = re.compile(r"^```(\w*) *(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# a block is run where the words behind its fence are `python run` or `console run`
RUN = "run"


class Block(NamedTuple):
    language: str
    text: str
    line: int


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    text = TEXTS[page]
    return [
        Block(m[1], m[3], text.count("\n", 0, m.start()) + 2)
        for m in FENCE.finditer(text)
        if m[2] == RUN
    ]


def anchors(text: str) -> set[str]:
    """The names of the headings, as code hosts make them."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(page: Path) -> Iterator[tuple[Path, str]]:
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", TEXTS[page])):
        if not re.match(r"\w+:", target):
            path, _, anchor = target.partition("#")
            yield (page.parent / path).resolve() if path else page, anchor


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_resolve(page: Path) -> None:
    for target, anchor in links(page):
        assert target.exists(), f"{name(page)} links to {target}, which is not there"
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"#{anchor} in {target}"


def test_every_page_can_be_reached() -> None:
    seen: set[Path] = set()
    todo = [DOCS / "index.md"]
    while todo:
        page = todo.pop()
        if page not in seen and page.suffix == ".md":
            seen.add(page)
            todo += [target for target, _ in links(page) if target.is_relative_to(DOCS)]
    assert sorted(DOCS.rglob("*.md")) == sorted(seen)


def test_generated_pages_are_fresh() -> None:
    for place, text in generator().pages().items():
        stored = (DOCS / place).read_text(encoding="utf-8")
        assert stored == text, f"docs/{place} is old: run python docs/generate.py"


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=name)
def test_examples_run(page: Path, tmp_path: Path) -> None:
    """All blocks of a page one after the other, in one directory, with a provider to talk to.

    ``app.py`` and the like come from the page itself: a comment ``# app.py`` in the first line of a
    Python block writes it there instead of running it.
    """
    environ = {k: v for k, v in os.environ.items() if k not in ("SPANLOOM_DIR", "SPANLOOM_STRICT")}
    environ["PATH"] = os.pathsep.join((os.path.dirname(sys.executable), environ.get("PATH", "")))
    with FakeProvider(seed=7) as provider:
        environ |= {"OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "none-needed"}
        for block in blocks(page):
            file = re.match(r"# (\w+\.py)\n", block.text)
            if block.language == "python" and file:
                (tmp_path / file[1]).write_text(block.text, encoding="utf-8")
                continue
            if block.language == "python":
                commands = [[sys.executable, "-c", block.text]]
            else:
                lines = re.findall(r"^\$ (.+)$", block.text, re.MULTILINE)
                assert lines, f"{name(page)}:{block.line}: a console block without a command"
                commands = [["bash", "-euc", line] for line in lines]
            for command in commands:
                done = subprocess.run(
                    command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
                )
                place = f"{name(page)}:{block.line}: {command[-1]}"
                assert done.returncode == 0, f"{place}\n{done.stdout}{done.stderr}"


def assert_documented(page: str, wanted: list[str]) -> None:
    titles = re.findall(r"^#+ `([^`]+)`", TEXTS[DOCS / page], re.MULTILINE)
    missing = sorted(set(wanted) - set(titles))
    assert not missing, f"docs/{page} has no heading for {', '.join(missing)}"


def test_public_names_are_documented() -> None:
    assert_documented("reference/api.md", [f"spanloom.{n}" for n in spanloom.__all__])
    for public in spanloom.__all__:
        assert getattr(spanloom, public).__doc__, f"spanloom.{public} has no docstring"


def test_settings_are_documented() -> None:
    assert_documented("reference/settings.md", list(settings.KEYS))
    for key in settings.KEYS:
        if variable := settings.variable(key):
            assert f"`{variable}`" in TEXTS[DOCS / "reference/settings.md"]


def test_commands_are_documented() -> None:
    assert_documented("reference/cli.md", [f"spanloom {command}" for command in COMMANDS])


@pytest.mark.parametrize("group", ["backends", "integrations", "processors"])
def test_plugins_are_documented(group: str) -> None:
    ours = [
        point.name
        for point in entry_points(group=f"spanloom.{group}")
        if point.dist is None or point.dist.name == "spanloom"
    ]
    assert_documented(f"reference/{group}.md", ours)
