"""Compare what a page shows with what was printed, but for what differs from run to run.

Figures, times, sizes, ids and paths are evened out, as are line breaks, which move with their
widths. A line ``...`` stands for any lines.
"""

import re

EVENED = (
    (r"(?<![\w.])/(?:[\w.+@~-]+/)*[\w.+@~-]+", "<path>"),
    (r"\b(?=[a-f]*\d)[0-9a-f]{8,}\b", "<id>"),
    (r"\d+(?:[.,:/-]\d+)*", "<n>"),
    (r"(?:<n> ?(?:ns|us|µs|ms|s|m|min|h|d)\b)+", "<time>"),
    (r"<n> ?(?:B|kB|MB|GB|TB)\b", "<size>"),
    (r"<n>[kM]\b", "<n>"),
    (r"<n>-<id>|<id>-<n>", "<id>"),
    (r"<n> (?:cached|reasoning)\b", " "),  # a count of zero is not shown
    (r"<\$", "$"),
    (r"[│├└─·]+", " "),
)


ROW = re.compile(r"(?=^[│ ]*[├└]─)|(?=^ *$)", re.MULTILINE)


def evened(text: str) -> list[str]:
    """The words of ``text``, without what differs from run to run.

    A row of a tree breaks where its figures leave room, so its words are put in order.
    """
    found: list[str] = []
    for row in ROW.split(text):
        tree = row.lstrip("│ ").startswith(("├", "└"))
        for pattern, word in EVENED:
            row = re.sub(pattern, word, row)
        found += sorted(row.split()) if tree else row.split()
    return found


def agree(shown: str, printed: str) -> bool:
    """Whether ``shown`` is true of ``printed``."""
    pieces = [evened(piece) for piece in re.split(r"^\.\.\.$", shown, flags=re.MULTILINE)]
    words = evened(printed)
    first, last = pieces[0], pieces[-1]
    if words[: len(first)] != first:
        return False
    if len(pieces) == 1:
        return len(words) == len(first)
    at = len(first)
    for piece in pieces[1:-1]:
        at = _after(piece, words, at)
        if at < 0:
            return False
    return len(words) - len(last) >= at and words[len(words) - len(last) :] == last


def _after(piece: list[str], words: list[str], start: int) -> int:
    """Where ``piece`` ends in ``words``, from ``start`` on; -1: it is not there."""
    for at in range(start, len(words) - len(piece) + 1):
        if words[at : at + len(piece)] == piece:
            return at + len(piece)
    return -1
