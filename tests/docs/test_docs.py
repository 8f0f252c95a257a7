"""The documentation: links resolve, code blocks run, generated pages are fresh, nothing is missing."""

import importlib.util
import re
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import pytest
from tests.docs.blocks import EXCERPT, FENCE, Block, blocks, complaint, excerpt_of
from tests.docs.running import Place, reader_provider
from tests.docs.shown import agree

import spanloom
from spanloom import sdk, settings, testing, types
from spanloom.cli import COMMANDS
from spanloom.testing import contracts

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "examples").rglob("*.md")])
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
LANDING = ROOT / "README.md"


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


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


@pytest.fixture
def place_of() -> Iterator[Callable[[Path], Place]]:
    """A directory for a page, of a short name: what is printed about it must fit a line."""
    with tempfile.TemporaryDirectory() as scratch, reader_provider() as provider:
        yield lambda page: Place(
            Path(scratch), provider.url, with_plugins="examples/plugins" in TEXTS[page]
        )


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_says_what_becomes_of_it(page: Path) -> None:
    """No block of Python or of commands is left to itself: it is run, or says why it cannot be."""
    for block in blocks(TEXTS[page]):
        wrong = complaint(block, landing=page == LANDING)
        assert wrong is None, f"{name(page)}:{block.line}: {wrong}"


def of_pages(wanted: Callable[[Block], bool]) -> list[Path]:
    return [page for page in PAGES if any(map(wanted, blocks(TEXTS[page])))]


@pytest.mark.parametrize("page", of_pages(lambda b: b.language in ("python", "console")), ids=name)
def test_examples_run_and_print_what_is_shown(
    page: Path, place_of: Callable[[Path], Place]
) -> None:
    """All blocks of a page one after the other, in one directory, with a provider to talk to.

    A comment ``# app.py`` in the first line of a Python block writes it there instead of running it.
    """
    place = place_of(page)
    for block in blocks(TEXTS[page]):
        for done in place.run(block, landing=page == LANDING):
            at = f"{name(page)}:{done.line}: {done.command}"
            assert done.status == 0, f"{at}\n{done.printed}"
            if done.shown and not agree(done.shown, done.printed):
                pytest.fail(f"{at} prints\n{done.printed}", pytrace=False)


@pytest.mark.parametrize("page", of_pages(lambda b: b.language == "toml"), ids=name)
def test_configuration_is_understood(page: Path, place_of: Callable[[Path], Place]) -> None:
    """Every key and value, by spanloom itself under ``SPANLOOM_STRICT``."""
    place = place_of(page)
    for block in blocks(TEXTS[page]):
        if block.language == "toml":
            wrong = place.check_toml(block)
            assert not wrong, f"{name(page)}:{block.line}: {wrong}"


@pytest.mark.parametrize("page", of_pages(lambda b: b.word == EXCERPT), ids=name)
def test_excerpts_stand_in_their_files(page: Path) -> None:
    for block in blocks(TEXTS[page]):
        if block.word == EXCERPT:
            assert excerpt_of(block, ROOT), f"{name(page)}:{block.line} is not in {block.file}"


def assert_documented(page: str, wanted: list[str]) -> None:
    titles = re.findall(r"^#+ `([^`]+)`", TEXTS[DOCS / page], re.MULTILINE)
    missing = sorted(set(wanted) - set(titles))
    assert not missing, f"docs/{page} has no heading for {', '.join(missing)}"


def test_public_names_are_documented() -> None:
    assert_documented("reference/api.md", [f"spanloom.{n}" for n in spanloom.__all__])
    for public in spanloom.__all__:
        assert getattr(spanloom, public).__doc__, f"spanloom.{public} has no docstring"


@pytest.mark.parametrize(
    ("module", "page"), [(sdk, "sdk"), (testing, "testing"), (contracts, "testing")]
)
def test_names_for_plugins_are_documented(module: ModuleType, page: str) -> None:
    """Each has a heading, and under it more than how it is called."""
    assert_documented(f"reference/{page}.md", [f"{module.__name__}.{n}" for n in module.__all__])
    text = FENCE.sub("", TEXTS[DOCS / f"reference/{page}.md"])
    sections = re.findall(r"^#+ `([^`]+)`\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert [name for name, said in sections if not said.strip()] == []


def test_types_are_documented() -> None:
    """Every field of every type of the event model that a plugin can make or gets."""
    text = TEXTS[DOCS / "reference/types.md"]
    for kind in {types.Span, types.Usage, types.Message, *types.DETAILS.values()}:
        (section,) = re.findall(
            rf"^## `{kind.__name__}`\n(.*?)(?=^##)", text, re.MULTILINE | re.DOTALL
        )
        rows = re.findall(r"^\| `(\w+)` .*\| (.*) \|$", section, re.MULTILINE)
        assert [name for name, _ in rows] == list(kind.__struct_fields__)
        if kind is types.Span:
            assert all(says for _, says in rows)


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
