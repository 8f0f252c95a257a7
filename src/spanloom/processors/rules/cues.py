"""The words before a number that say what it is, or that it is something harmless."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from .later import later
from .vocabulary import UNSPACED, WORDS, Topic

LEAD: Final = 48
"""How many characters before a number are asked."""

_SPEAK: Final = "call reach ring text phone message dial".split()
_WHOM: Final = "me us him her them at on back".split()
_STEM: Final = 3
"""So many letters has the shortest beginning of a word that is looked up by its beginning."""

_TOPICS: dict[str, set[Topic]] = {f"{verb}-{whom}": {"phone"} for verb in _SPEAK for whom in _WHOM}
_STEMS: dict[str, dict[str, set[Topic]]] = {}
for _topic, _list in WORDS.items():
    for _word in _list.split():
        if _word.endswith("*"):
            _stems = _STEMS.setdefault(_word[:_STEM], {})
            _stems.setdefault(_word[:-1], set()).add(_topic)
        else:
            _TOPICS.setdefault(_word, set()).add(_topic)
_UNSPACED: Final = {word: {topic} for topic, words in UNSPACED.items() for word in words.split()}

_PARTS = later(r"[A-Z]+(?![a-z])|[A-Z]?(?:[^\W\d_A-Z]|[\u0900-\u0dff])+")
_MUTE = later(
    r"iPhone|Mobile/|[\w.%+-]{1,64}@[\w.-]{0,64}|(?<![A-Za-z0-9])[A-Za-z]{1,32}[0-9]{1,32}[A-Za-z][A-Za-z0-9]{0,64}"
)
"""What holds such words without saying them: products, addresses, random letters and digits."""
_IN_UNSPACED = later("|".join(sorted(_UNSPACED, key=len, reverse=True)))
_TELLING: Final[frozenset[Topic]] = frozenset({"phone", "card", "id", "named_id", "ssn", "ip"})
_HARMLESS: Final[frozenset[Topic]] = frozenset({"order", "version"})
_NOTHING: Final[frozenset[Topic]] = frozenset()
# a sentence, a line, a parameter that had its number; the name of a variable
_DONE = later(
    r".*(?:[0-9](?:[^0-9\n]{0,2}[0-9]){4}[^.!?;。\u0964；\n]{0,40}[.!?;。\u0964；]\s+(?=.*[^\W\d])|[0-9][^\n\w]{0,3}\n(?=\[|.*[^\W\d])|&)"
    r"|.*[^\w.-](?=[\w.-]{1,40}=[\"']?\Z)",
    re.DOTALL,
)


_CELLS = later(r"[0-9][\"']?[,;\t|&\n]|(?<![:\s])\n")


def _by_itself(word: str) -> Iterator[set[Topic]]:
    word = word.lower()
    found = set(_TOPICS.get(word, ()))
    for stem, topics_of in _STEMS.get(word[:_STEM], {}).items():
        if word.startswith(stem):
            found |= topics_of
    if found or word.isascii():
        yield found
    else:
        inside = _IN_UNSPACED.findall(word)
        yield from (_UNSPACED[each] for each in inside or ())
        if not inside:
            yield set()


def _said(lead: str) -> list[tuple[str, set[Topic]]]:
    """Word by word, what it says; pairs count with the second one."""
    said: list[tuple[str, set[Topic]]] = []
    for word in _PARTS.findall(lead):
        lower = word.lower()
        for topics_of in _by_itself(word):
            pair = _TOPICS.get(f"{said[-1][0]}-{lower}", ()) if said else ()
            said.append((lower, topics_of.union(pair)))
    return said


_HAD_NUMBER = later(r"[^\W\d][^\n]*[0-9](?:[^0-9\n]{0,3}[0-9]){4}[^\n]*\Z")
"""A line of words with a number; numbers in lines of their own may all be meant by the words above them."""


def _open(lead: str) -> str:
    """What of ``lead`` may still speak of the number behind it."""
    done = _DONE.match(lead)
    lead = lead[done.end() :] if done else lead
    before, _, line = lead.rpartition("\n")
    return line if _HAD_NUMBER.search(before) else lead


@lru_cache(maxsize=64)
def topics(lead: str) -> frozenset[Topic]:
    """What a number after these words may be, by those nearest to it; empty if nobody says."""
    found: set[Topic] = set()
    for _, says in reversed(_said(_MUTE.sub(" ", _open(lead)))):
        if says & _HARMLESS and not says & _TELLING:
            break
        found |= says
    return frozenset(found & _TELLING)


_BEHIND = later(
    r"[)\"'\]]?[ ]?(?:\(|-|\u2013|\u2014|(?:is|ist|est|es|è|é|to|jest|är|er|on|olan|numara\w*)[ ]|[\u0900-\u0eff\u1100-\u11ff\u2e80-\ud7ff])"
    r"[^.!?\u3002\u0964;,&\"\n<{}0-9]{0,30}"
)
"""What may say afterwards what a number was: ``(mobile)``, ``is my number``, and languages that end in the verb."""


def following(text: str, end: int) -> frozenset[Topic]:
    """What the words right behind a number say that it is."""
    behind = _BEHIND.match(text, end)
    return topics(behind[0]) if behind else _NOTHING


def _lead(text: str, start: int, size: int) -> str:
    """What stands before, from the beginning of a word on: the end of an id says nothing."""
    begin = max(0, start - size)
    while begin and start - begin < size + 64 and text[begin - 1].isalnum():
        begin -= 1
    return text[begin:start]


def told(text: str, start: int, end: int) -> frozenset[Topic]:
    """What the words before ``start``, or else those behind ``end``, say that stands between them."""
    return topics(_lead(text, start, LEAD)) or following(text, end)


@lru_cache(maxsize=64)
def _named(lead: str) -> frozenset[Topic]:
    after_cell = _CELLS.split(_MUTE.sub(" ", lead))[-1]
    for _, says in reversed(_said(after_cell)[-4:]):
        if "filler" not in says:
            return frozenset(says)
        if says & _TELLING or says & _HARMLESS:
            return frozenset(says)
    return _NOTHING


def named(text: str, start: int, topic: Topic) -> bool:
    """Whether the very words before ``start`` name it so: ``order number:``, ``version``."""
    return topic in _named(_lead(text, start, 24))


@lru_cache(maxsize=64)
def nearest(lead: str, among: frozenset[str]) -> str:
    """Which of these words stands nearest to a number after ``lead``; empty if none does."""
    words = [word.lower() for word in _PARTS.findall(_open(lead))]
    return next((word for word in reversed(words) if word in among), "")


@lru_cache(maxsize=256)
def telling(name: str) -> bool:
    """Whether a field of that name says what a number in it is."""
    short = name[-LEAD:]
    return bool(topics(short) or _named(short) & _HARMLESS)
