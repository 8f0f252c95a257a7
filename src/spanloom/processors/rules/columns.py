"""Secrets that only the head of their column, or of their row, tells."""

from collections.abc import Iterator, Sequence
from typing import Final

from spanloom.processors.rules.later import later
from spanloom.processors.rules.named import empty, random_name, secret_name
from spanloom.processors.rules.screen import Rule
from spanloom.processors.rules.tables import cells
from spanloom.processors.rules.values import secretive

_RANDOM_VALUE: Final = "A1b2C3d4E5f6G7h8J9k0A1b2C3d4E5f6"


def _secret(names: Sequence[str]) -> bool:
    return any(
        len(name) <= 64 and (secret_name(name) or random_name(name, _RANDOM_VALUE))
        for name in names
    )


def _secrets(text: str) -> Iterator[tuple[int, int]]:
    for cell in cells(text, _secret):
        value = text[cell.start : cell.end]
        if len(cell.name) > 64 or not value:
            continue
        if not secret_name(cell.name):
            if cell.headed and random_name(cell.name, value):
                yield cell.start, cell.end
        elif not empty(cell.name, value) if cell.headed else secretive(value):
            yield cell.start, cell.end


_HEAD: Final = r"[\"']?[A-Za-z_][\w.-]{0,40}+(?: [\w.-]{1,40}+){0,3}+[\"']?"
_ROW: Final = rf"{_HEAD}(?:[,;\t|]{_HEAD}){{1,63}}\r?\n"

COLUMN: Final = (
    Rule(name="column", kind="secret", view="text", asked=True, hints=("\n",), finder=_secrets,
         probes=(later(rf"\n{_ROW}"), later(rf"={_ROW}")), pattern=later(r"\n")),
    Rule(name="pair", kind="secret", view="text", asked=True, hints=("|",), pattern=later(r"\|"), finder=_secrets),
)  # fmt: skip
