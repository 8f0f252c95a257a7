"""The engine: rules as data, one screen that says which may match, and the search for what does.

A rule costs nothing on a text that cannot match it. ``RuleSet`` looks at a text once, in views from
which everything is deleted that no rule asks for; patterns run only then. All patterns are bounded
(see ``OVERLAP``), so time is linear in the text.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, Literal, NamedTuple, get_args

from msgspec import Struct

from spanloom.processors.rules.cues import told
from spanloom.processors.rules.reading import as_read

View = Literal["text", "long", "names", "mask"]
"""Where a rule's hints are looked for.

``text``: as it is. ``long``: only words of 16 and more of ``A-Z a-z 0-9 _ -``, each with the 12
characters before it. ``names``: the lower-case letters at the end of what stands before each ``:``
and ``=``. ``mask``: digits as ``0``, letters as ``a``, what people put between digits as a space,
anything else as a line break.
"""

Spot = Callable[[re.Match[str]], tuple[int, int] | None]


def whole(match: re.Match[str]) -> tuple[int, int] | None:
    return match.span()


class Rule(Struct, frozen=True, kw_only=True, eq=False):
    """One detector.

    ``hints``: one of them must be in the ``view``, and of ``probes``, where there are any, one must be
    found there (hints are optional then, and faster). ``pattern``:
    bounded by ``OVERLAP`` (``spot`` may look further). ``spot``: what of a match is to go, or ``None``
    if it is none after all. ``digits``: where not 0, the rule looks for numbers, and its pattern runs
    only where a text has so many digits next to each other. ``numeric``: nothing of it is found without
    some digits, wherever they stand. ``reach``: where not 0, the pattern is not ours
    and may take the square of its text; it gets pieces that overlap by so many characters. ``finder``:
    goes over a text that holds the pattern by itself, as tables take more than a pattern. ``read``: it
    looks at texts as people would read them, see ``as_read``, as all do that look for numbers.
    ``frequent``: its hints are words of every day, so the screen looks for them only where a value may
    follow, and asks the pattern too. ``asked``: only that it asks the
    pattern too. ``needs``: one of these must be in the text as well, if there are any.
    """

    name: str
    kind: str
    pattern: re.Pattern[str]
    hints: tuple[str, ...] = ()
    probes: tuple[re.Pattern[str], ...] = ()
    view: View = "long"
    spot: Spot = whole
    digits: int = 0
    numeric: bool = False
    reach: int = 0
    finder: Callable[[str], Iterator[tuple[int, int]]] | None = None
    frequent: bool = False
    asked: bool = False
    needs: str = ""
    read: bool = False

    @property
    def of_numbers(self) -> bool:
        """Whether it looks at texts as people would read them, see ``as_read``."""
        return self.read or self.digits > 0 or self.view == "mask"


class Hit(Struct, frozen=True):
    start: int
    end: int
    kind: str


# --- numbers

_DIGITS: Final = b"0123456789"
_SEPARATORS: Final = b" .-()/+\xa0"
_WIDE: Final = "\u2007\u2009\u202f\u2010\u2011\u2012\u2013\u2014\u2015"
"""Spaces and dashes that people put between digits as well."""
_WORDS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
_NUMERIC: Final = bytes(
    48 if c in _DIGITS else 32 if c in _SEPARATORS else 97 if c in _WORDS else 10
    for c in range(256)
)
_STRETCH = re.compile(rb"0[0 ]{5,}0")
_DULL = re.compile(
    rb"(?:19|20)\d\d([-/. ])\d\d?\1\d\d?(?: {1,2}\d\d?)?"
    rb"|\d\d?([-/.])\d\d?\2(?:19|20)\d\d(?: {1,2}\d\d?)?"
    rb"|(?!\d{4}\.\d{4}\Z)\d{1,12}\.\d{1,30}"
)
"""Dates, and numbers with a decimal point."""
_LETTER_AFTER = re.compile(rb"[- ]?[A-Za-z](?![0-9A-Za-z_])")
_COLUMN: Final = b" " * 4
_PIECE = re.compile(rb"0+(?: {1,3}0+)*")
_ISO_DATE = re.compile(rb"....-..-..")
_UUID = re.compile(rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
FEWEST: Final = 2
"""So many digits anywhere is the least that a number of ours has, among its letters."""
LEAST: Final = 7
SELF_EVIDENT: Final = 13
"""From so many digits on a number can be told by itself; a shorter one needs a word that says what it is."""
_LETTERED: Final = (7, 8, 9, 17)
"""Lengths of numbers that end in a letter: of Irish and Spanish people, Chilean, Chinese."""


class Stretch(NamedTuple):
    """Digits, with nothing between them but what people put between digits."""

    start: int
    end: int
    digits: int


def latin(text: str) -> bytes:
    """One byte for each character, so that places in both are the same; ``?`` for what it does not have."""
    if not text.isascii():
        for char in _WIDE:
            text = text.replace(char, "-")
    return text.encode("latin-1", "replace")


def stretches(text: str, raw: bytes, mask: bytes) -> Iterator[Stretch]:
    """Where numbers are that may be more than an id, a date, a time or a measurement."""
    for found in _STRETCH.finditer(mask):
        start, end = found.span()
        digits = mask.count(b"0", start, end)
        if digits < LEAST:
            continue
        # what is frequent in machines' data: parts of hex ids, and dates
        if digits < 8 and digits == end - start and mask[start - 1 : start] == b"a":
            if not _escape_before(raw, start):
                continue
        if digits == 8 and raw[start : start + 2] == b"20" and _ISO_DATE.fullmatch(raw, start, end):
            continue
        if mask.find(_COLUMN, start, end) < 0:
            pieces = [(start, end)]
        else:  # a table: nobody leaves so much space within a number
            pieces = [piece.span() for piece in _PIECE.finditer(mask, start, end)]
        for begin, stop in pieces:
            digits = mask.count(b"0", begin, stop)
            if digits >= LEAST and _telling(text, raw, mask, begin, stop, digits):
                yield Stretch(begin, stop, digits)


def _telling(text: str, raw: bytes, mask: bytes, start: int, end: int, digits: int) -> bool:
    if digits < end - start:
        if _DULL.fullmatch(raw, start, end):
            return False
        uuid = _UUID.search(raw, max(0, start - 28), end + 28)
        return uuid is None or uuid.end() <= start
    after = digits in _LETTERED and _LETTER_AFTER.match(raw, end) is not None
    if mask[start - 1 : start] == b"a" and not _escape_before(raw, start):
        return False
    if mask[end : end + 1] == b"a" and not after:
        return False
    if after or digits >= SELF_EVIDENT or raw[start - 1 : start] == b"+":
        return True
    return bool(told(text, start, end))


def _escape_before(raw: bytes, at: int) -> bool:
    """A newline of JSON, or ``%3D`` of a URL."""
    return at > 2 and (raw[at - 2] == 92 or raw[at - 3] == 37)


# --- the screen

_LONG_WORDS: Final = bytes(
    120 if c in _WORDS or c in _DIGITS or c == ord("-") else 32 for c in range(256)
)
_LONG: Final = b"x" * 16
_BEFORE: Final = 12

_NAME: Final = 64
"""How many characters before a ``:`` or ``=`` a name and what may stand behind it take."""
_FLAT: Final = bytes(ord("=") if c in b":=" else ord(chr(c).lower()) & 255 for c in range(256))
_DROPPED: Final = b" \t\r\n\"'`\\-_.*" + _DIGITS + bytes(range(128, 256))
COPULAS: Final = (
    "is", "ist", "lautet", "je", "on", "er", "r", "to", "adalah", "ialah", "ni", "yra", "ir", "este", "esta", "est",
)  # fmt: skip
"""Verbs that may stand between a name and the colon: ``password is:``."""
_IS: Final = tuple(verb.encode() for verb in COPULAS)
_PIECES: Final = bytes(c if chr(c).isalnum() and c < 128 else 32 for c in range(256))


_MARKS: Final = (
    "@", "%", "/", "--", " -", "ass", "ecret", "oken", "uth", "redential", "key", "K", "W", "Y", "-"
)  # fmt: skip
"""What hints have in common."""


_IN_VALUES: Final = (
    *"0123456789!@#$%^&*+~",
    " '",
    ' "',
    " `",
    "\u201c",
    "\u201e",
    "\u00ab",
    "\u300c",
)


class RuleSet:
    """Rules, and their hints by view, ready to be looked for in all texts of a span at once."""

    def __init__(self, rules: Iterable["Rule"]) -> None:
        self.rules: tuple[Rule, ...] = tuple(rules)
        self._hints: dict[View, list[tuple[str, Rule]]] = {
            view: [
                (hint, rule)
                for rule in self.rules
                if rule.view == view and not rule.probes
                for hint in rule.hints
            ]
            for view in get_args(View)
        }
        # what several hints share is looked for once, and a single character much faster than a word
        self._texts: dict[str, dict[str, list[tuple[str, Rule]]]] = {}
        self._said: dict[str, list[tuple[str, Rule]]] = {}
        self._foreign: dict[str, list[tuple[str, Rule]]] = {}
        for hint, rule in self._hints["text"]:
            if hint.isascii():
                mark = next((mark for mark in _MARKS if mark in hint), hint)
                texts = self._said if rule.frequent else self._texts.setdefault(rule.needs, {})
                texts.setdefault(mark, []).append((hint, rule))
            else:
                mark = next(char for char in hint if not char.isascii())
                self._foreign.setdefault(mark, []).append((hint, rule))
        self._probes = [
            (rule.numeric, rule.view, hint, probe.search, rule)
            for rule in self.rules
            for probe in rule.probes
            for hint in rule.hints or ("",)
        ]
        self._numbers = [rule for rule in self.rules if rule.digits]
        # by the end of the hint: most names end otherwise
        self._named: dict[bytes, list[tuple[bytes, Rule]]] = {}
        for hint, rule in self._hints["names"]:
            name = hint.encode()
            self._named.setdefault(name[-3:], []).append((name, rule))
        # how a name ends that is followed by a verb
        self._verbs: set[bytes] = {
            (tail + verb)[-3:]
            for verb in _IS
            for tail in {name[max(0, len(verb) - 3) :] for name in self._named}
        }
        # most keys of vendors begin with a word such as "ghp" and a joint, or with letters such as "AKIA"
        self._words: dict[bytes, list[tuple[str, Rule]]] = {}
        self._heads: dict[bytes, list[tuple[str, Rule]]] = {}
        self._anywhere: list[tuple[str, Rule]] = []
        for hint, rule in self._hints["long"]:
            first = hint.encode().translate(_PIECES).split(b" ")
            if len(first[0]) > 1 and len(first) > 1:
                self._words.setdefault(first[0], []).append((hint, rule))
            elif len(first[0]) >= 3:
                self._heads.setdefault(first[0][:3], []).append((hint, rule))
            else:
                self._anywhere.append((hint, rule))

    def suspects(self, text: str) -> tuple["Rule", ...]:
        """The rules that may match in ``text``, which may be many texts joined by ``=``."""
        raw = latin(text)
        views: dict[View, str] = {"text": f"={text}"}
        mask, number_text, number_raw = b"", text, raw
        if _has_digits(raw, FEWEST):
            number_text = near(as_read(text)[0], "0123456789", before=192, behind=96)
            number_raw = latin(number_text)
            mask = number_raw.translate(_NUMERIC)
            views["mask"] = f"\n{mask.decode('latin-1')}"
        found: dict[Rule, None] = {}
        plain = _unescaped(text) if "\\" in text else text
        for needs, texts in self._texts.items():
            if not needs or any(char in text for char in needs):
                marked = [hints for mark, hints in texts.items() if mark in text]
                for hint, rule in chain(*marked):
                    if hint in text and (not rule.asked or _spotted(rule, text, plain)):
                        found[rule] = None
        for each in (text, plain) if plain is not text else (text,):
            self._in_sentences(near(each, _IN_VALUES, before=256, behind=64, joined=True), found)
        words = _long_words(raw)
        if words:
            self._in_words(words, found)
            views["long"] = words.decode("latin-1")
        if self._named:
            self._in_names(raw, found)
        for numeric, view, hint, search, rule in self._probes:
            if view not in views or (numeric and not mask):
                continue
            if hint in views[view] and search(views[view]):
                if rule.asked and not _spotted(rule, text, plain):
                    continue
                if rule.frequent:
                    parted = number_text.replace("=\n", ": ")
                    if not _spotted(rule, parted, _unescaped(parted)):
                        continue
                found[rule] = None
        if self._numbers and mask:
            numbers = stretches(number_text, number_raw, mask)
            most = max((stretch.digits for stretch in numbers), default=0)
            for rule in self._numbers:
                if most >= rule.digits:
                    found[rule] = None
        return tuple(found)

    def _in_sentences(self, text: str, found: dict["Rule", None]) -> None:
        marked = [hints for mark, hints in self._said.items() if mark in text]
        if not text.isascii():
            marked += [hints for mark, hints in self._foreign.items() if mark in text]
        parted = text.replace("=\n", "\n\n") if marked else ""
        for hint, rule in chain(*marked):
            if hint in text and rule not in found:
                if not rule.frequent or _spotted(rule, parted, parted):
                    found[rule] = None

    def _in_words(self, words: bytes, found: dict["Rule", None]) -> None:
        pieces = {*words.translate(_PIECES).split()}
        if b"\\" in words or b"%" in words:  # what follows "\\n" or "%3D" begins there
            pieces |= {piece[skip:] for piece in pieces for skip in (1, 2)}
        hints = [*self._anywhere]
        for piece in pieces & self._words.keys():
            hints += self._words[piece]
        for head in {piece[:3] for piece in pieces} & self._heads.keys():
            hints += self._heads[head]
        text = words.decode("latin-1")
        for hint, rule in hints:
            if hint in text:
                found[rule] = None

    def _in_names(self, raw: bytes, found: dict["Rule", None]) -> None:
        # the last piece too: a name may stand there whose value is no text
        ends = b"=".join([piece[-_NAME:] for piece in raw.replace(b":", b"=").split(b"=")])
        named = self._named
        names = {*ends.translate(_FLAT, _DROPPED).split(b"=")}
        for name in [name for name in names if name[-3:] in self._verbs]:
            names |= {name[: -len(verb)] for verb in _IS if name.endswith(verb)}
        for name in [name for name in names if name[-3:] in named]:
            for hint, rule in named[name[-3:]]:
                if name.endswith(hint):
                    found[rule] = None


def near(text: str, chars: Iterable[str], *, before: int, behind: int, joined: bool = False) -> str:
    """What lies near one of these characters: of most prose little, and all where there are many.

    Args:
        text: to be screened.
        chars: or words; of each only the first within ``behind`` is looked for.
        before: how much leads to it.
        behind: how much belongs to it.
        joined: also near ``two-or-more`` joints.

    """
    places: list[int] = []
    many = len(text) // 16
    for char in chars:
        if char[-1] not in text:
            continue
        many -= text.count(char)
        if many < 0:
            return text
        at = text.find(char)
        while at >= 0:
            places.append(at)
            at = text.find(char, at + behind)
    for joint in "-_" if joined else "":
        at = text.find(joint)
        while at >= 0:
            step = 1
            if text.find(joint, at + 1, at + 18) >= 0:
                places.append(at)
                step = behind
            at = text.find(joint, at + step)
    places.sort()
    pieces, done = [], 0
    for at in places:
        if at + behind > done:
            if at - before > done:
                pieces.append("\n")
            pieces.append(text[max(done, at - before) : at + behind])
            done = at + behind
    return "".join(pieces)


def _has_digits(raw: bytes, count: int) -> bool:
    """To find one is much faster than to count them."""
    for digit in _DIGITS:
        at = raw.find(digit)
        while at >= 0:
            count -= 1
            if not count:
                return True
            at = raw.find(digit, at + 1)
    return False


def _long_words(raw: bytes) -> bytes:
    words = raw.translate(_LONG_WORDS)
    found = []
    at = words.find(_LONG)
    while at >= 0:
        end = words.find(b" ", at)
        end = len(raw) if end < 0 else end
        found.append(raw[max(0, at - _BEFORE) : end])
        at = words.find(_LONG, end)
    return b"\n".join(found)


# --- the search

WINDOW: Final = 32 * 1024
"""Longer texts are gone over in pieces: one step of a pattern holds the interpreter's lock."""

OVERLAP: Final = 12 * 1024
"""How far a pattern may look from where its match begins; the longest of ours takes 8,200 characters."""

_REACH: Final = 64
"""How far the pattern of a number may look beyond its stretch."""


def matches(
    pattern: re.Pattern[str],
    text: str,
    window: int = WINDOW,
    begin: int = 0,
    end: int | None = None,
    overlap: int = OVERLAP,
) -> Iterator[re.Match[str]]:
    """What ``finditer`` gives for a pattern that is bounded, with a pause for other threads.

    ``begin``, ``end``: only matches that start between them; they may reach beyond.
    """
    last = len(text) if end is None else end
    limit, at = len(text) if end is None else min(len(text), last + _REACH), begin
    while at < last:
        stop = min(at + window, last)
        # what stands before ``at`` can still be seen by a look-behind
        for match in pattern.finditer(text, at, min(stop + overlap, limit)):
            if match.start() >= stop:
                break
            yield match
            at = match.end()
        at = max(at, stop)
        if at < last:
            time.sleep(0)


def _unescaped(text: str) -> str:
    """Without the backslashes of JSON in JSON, as far as they hide where a line or a quote is."""
    for _ in range(3):
        if "\\\\" not in text:
            break
        text = text.replace("\\\\", "\\")
    for written, char in (("\\n", "\n"), ("\\t", "\t"), ("\\r", "\r"), ('\\"', '"'), ("\\/", "/")):
        text = text.replace(written, char)
    return text


def _spotted(rule: Rule, text: str, plain: str) -> bool:
    """``plain``: the same without escapes."""
    for each in (text, plain) if plain != text else (text,):
        if rule.finder is not None:
            if next(rule.finder(each), None) is not None:
                return True
        elif any(rule.spot(match) for match in matches(rule.pattern, each)):
            return True
    return False


def _found(
    rule: Rule, text: str, numbers: Sequence[Stretch], window: int
) -> Iterator[re.Match[str]]:
    if rule.reach:
        yield from matches(rule.pattern, text, min(window, 4 * rule.reach), overlap=rule.reach)
    elif not rule.digits:
        yield from matches(rule.pattern, text, window)
    else:
        for number in numbers:
            if number.digits >= rule.digits:  # with what may open it: "+", "("
                yield from matches(rule.pattern, text, window, max(0, number.start - 2), number.end)


def find(text: str, rules: Sequence[Rule], window: int = WINDOW) -> list[Hit]:
    """What is to be replaced, in order; overlapping finds become one, of the longest one's kind."""
    hits = []
    plain = [rule for rule in rules if not rule.digits]
    numbers: list[Stretch] = []
    read, place = as_read(text) if any(rule.of_numbers for rule in rules) else (text, None)
    if len(plain) < len(rules):
        raw = latin(read)
        numbers = [*stretches(read, raw, raw.translate(_NUMERIC))]
        plain = [*rules] if numbers else plain
    for rule in plain:
        if rule.finder is not None:
            if rule.pattern.search(text):
                hits += [Hit(*span, rule.kind) for span in rule.finder(text)]
            continue
        done = 0
        for match in _found(rule, read if rule.of_numbers else text, numbers, window):
            # a spot may reach beyond its match: what lies inside is gone already
            inside = match.start() < done >= match.end()
            span = None if inside else rule.spot(match)
            if span is not None:
                done = span[1]
                if place and rule.of_numbers:
                    span = place(span[0]), place(span[1])
                hits.append(Hit(*span, rule.kind))
    return merged(hits)


def merged(hits: list[Hit]) -> list[Hit]:
    """In order, overlapping ones as one of the longest one's kind."""
    if len(hits) < 2:
        return hits
    hits.sort(key=lambda hit: (hit.start, -hit.end))
    kept = [hits[0]]
    longest = hits[0].end - hits[0].start
    for hit in hits[1:]:
        last, size = kept[-1], hit.end - hit.start
        if hit.start >= last.end:
            kept.append(hit)
            longest = size
        elif hit.end > last.end or size > longest:
            kind = hit.kind if size > longest else last.kind
            kept[-1] = Hit(last.start, max(last.end, hit.end), kind)
            longest = max(longest, size)
    return kept
