"""What the checks of the documentation let pass and what not: else a page could rot unseen."""

from pathlib import Path

import pytest
from tests.docs.blocks import Block, blocks, complaint, excerpt_of
from tests.docs.running import Place, reader_provider
from tests.docs.shown import agree

PAGE = """
```console run
$ one
```

and it prints

```text
said
```

## Another matter

```text
no output
```
"""
TREE = "├─ llm chat m  3 cached · stop   12→1.2k  $0.0012 14ms\n"


def test_a_text_belongs_to_the_command_before_it() -> None:
    first, *_ = blocks(PAGE)
    assert first.commands == [("one", "said\n")]
    inline = Block("console", "run", "$ one\nsaid\n$ two \\\n> more\n", 1)
    assert inline.commands == [("one", "said\n"), ("two \\\nmore", "")]


@pytest.mark.parametrize(
    ("language", "word", "text"),
    [
        ("python", "", "print()"),
        ("console", "", "$ ls"),
        ("console", "later", "$ ls"),
        ("console", "run", "ls"),
        ("python", "excerpt", "print()"),
        ("toml", "", 'content = "none"'),
        ("", "", "anything"),
        ("sh", "", "ls"),
    ],
)
def test_a_block_that_nobody_would_run_is_refused(language: str, word: str, text: str) -> None:
    assert complaint(Block(language, word, text, 1), landing=False)


def test_the_landing_page_may_leave_its_blocks_bare() -> None:
    for language, text in (("python", "print()"), ("console", "$ ls")):
        assert complaint(Block(language, "", text, 1), landing=True) is None


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        (TREE, "└─ llm chat m  stop  9→7  <$0.0001 1.02s\n"),
        ("a\n...\nz\n", "a\nb\nc\nz\n"),
        ("...\nz\n", "z\n"),
        ("trace 0af7651916cd43dd  /srv/x.py\n", "trace b7ad6b7169203331 /home/y/x.py\n"),
    ],
)
def test_what_differs_from_run_to_run_may_differ(shown: str, printed: str) -> None:
    assert agree(shown, printed)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        (TREE, TREE.replace("stop", "length")),
        (TREE, TREE.replace("$0.0012", "")),
        (TREE, TREE + "more\n"),
        ("a\n...\nz\n", "a\nb\nz\nc\n"),
        ("a\n...\nb\n...\nz\n", "a\nz\n"),
        ("a\n...\na\n", "a\n"),
    ],
)
def test_everything_else_may_not(shown: str, printed: str) -> None:
    assert not agree(shown, printed)


def test_an_excerpt_is_word_for_word(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\ny = 2\nz = 3\n", encoding="utf-8")
    for text, stands in (
        ("x = 1\n...\nz = 3\n", True),
        ("x = 1\nz = 3\n", False),
        ("y = 3\n", False),
    ):
        assert excerpt_of(Block("python", "excerpt", f"# a.py\n{text}", 1), tmp_path) is stands


def test_commands_fail_one_by_one(tmp_path: Path) -> None:
    text = "$ echo first\n$ false\n$ VALUE=7\n$ echo $VALUE\n$ exit 3\n$ echo never\n"
    with reader_provider() as provider:
        place = Place(tmp_path, provider.url, with_plugins=False)
        done = place.run(Block("console", "run", text, 1), landing=False)
    statuses = [(d.command, d.status) for d in done]
    assert statuses[:4] == [("echo first", 0), ("false", 1), ("VALUE=7", 0), ("echo $VALUE", 0)]
    assert statuses[4:] == [("exit 3", -1)]  # nothing came after it: the page fails there
    assert done[3].printed == "7\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("spanloom.toml", 'contnt = "none"'),
        ("spanloom.toml", '[backends.local]\nfolder = "x"'),
        ("spanloom.toml", "[processors.tenannt]"),
        ("pyproject.toml", '[tool.spanloom]\ncontent = "some"'),
        ("pyproject.toml", '[project.entry-points."spanloom.backend"]\nx = "y:z"'),
        ("pyproject.toml", '[project.entry-points."spanloom.backends"]\nx = "spanloom_parrot:No"'),
        ("prices.toml", '[[model]]\nname = "m"\ninputs = 1.0'),
    ],
)
def test_a_wrong_configuration_is_found(tmp_path: Path, name: str, text: str) -> None:
    place = Place(tmp_path, "", with_plugins=True)
    assert place.check_toml(Block("toml", "", f"# {name}\n{text}\n", 1))
