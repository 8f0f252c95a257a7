"""The code blocks of a page, and what the word behind a fence says of each.

``python run``, ``console run``: run, all blocks of a page one after the other in one directory.
``python excerpt``: stands word for word in the file that its first line names, which is run elsewhere.
``console install``, ``clone``, ``elsewhere``: not run, for the reason in ``REASONS``.
``toml``: its first line names the file; it must be one that spanloom understands.
``text``: behind a console block and before the next heading, what its last command prints.
"""

import re
from pathlib import Path
from typing import NamedTuple

RUN, EXCERPT = "run", "excerpt"
REASONS = {
    "install": "changes an environment; the environments `wheel` and `plugins` do it",
    "clone": "belongs to the work on the repository itself, and would run the tests inside the tests",
    "elsewhere": "needs a program that the checks do not install",
}
WORDS = {
    "python": {RUN, EXCERPT},
    "console": {RUN, *REASONS},
    "toml": {"", EXCERPT},
    "text": {""},
    "json": {""},
}
FENCE = re.compile(r"^```([^\s`]*) *([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ ", re.MULTILINE)


class Block(NamedTuple):
    language: str
    word: str
    text: str
    line: int
    printed: str | None = None
    """What the page says that the last command of a console block prints."""

    @property
    def file(self) -> str | None:
        """The file that a comment in the first line names."""
        found = re.match(r"# ([\w./-]+\.(?:py|toml))\b", self.text)
        return found[1] if found else None

    @property
    def commands(self) -> list[tuple[str, str]]:
        """Of a console block: each command, and the lines that stand below it."""
        found: list[tuple[str, str]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], ""))
            elif line.startswith("> ") and found:
                found[-1] = (f"{found[-1][0]}\n{line[2:]}", "")
            elif found:
                found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
        if found and self.printed is not None:
            found[-1] = (found[-1][0], self.printed)
        return found


def blocks(text: str) -> list[Block]:
    """All blocks of a page in order."""
    found: list[Block] = []
    end = 0
    for match in FENCE.finditer(text):
        block = Block(match[1], match[2], match[3], text.count("\n", 0, match.start()) + 2)
        between = text[end : match.start()]
        if (
            block.language == "text"
            and found
            and found[-1].language == "console"
            and not HEADING.search(between)
        ):
            found[-1] = found[-1]._replace(printed=block.text)
        found.append(block)
        end = match.end()
    return found


def complaint(block: Block, landing: bool) -> str | None:
    """What is wrong with how a block is marked.

    ``landing``: the page that people see first, elsewhere than here; its fences may stay bare.
    """
    words = WORDS.get(block.language)
    if words is None:
        return f"a block is one of {', '.join(WORDS)}, not {block.language!r}"
    if block.word not in words and not (landing and not block.word):
        return (
            f"behind ```{block.language} stands {block.word!r}, not one of "
            f"{', '.join(sorted(words))}; see tests/docs/blocks.py"
        )
    if (block.language == "toml" or block.word == EXCERPT) and block.file is None:
        return "its first line is not a comment that names the file"
    if block.language == "console" and not block.commands:
        return "no command: a line that begins with $"
    return None


def excerpt_of(block: Block, root: Path) -> bool:
    """Whether the block stands in the file it names. ``...`` on a line of its own leaves out."""
    source = (root / (block.file or "")).read_text(encoding="utf-8")
    _, _, shown = block.text.partition("\n")
    at = 0
    for piece in re.split(r"^[ \t]*(?:# )?\.\.\.\n", shown, flags=re.MULTILINE):
        found = source.find(piece.strip("\n"), at)
        if found < 0:
            return False
        at = found + len(piece.strip("\n"))
    return True
