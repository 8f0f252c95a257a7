"""Cut a text that nobody has looked at yet: what a look at the whole would have found must not be left in half.

So no word and no number is cut in two, and JSON stays JSON, in which names still stand before what they name.
"""

import json
import re
from typing import Final

_WORD_CHARS: Final = 512
"""No secret is taken to be longer than that, where nothing tells where it ends."""
_NUMBER = re.compile(r"(?<!\w)(?:[A-Z]{2})?[0-9][0-9 .()/+\u00a0-]{0,63}\Z")
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},"]', re.DOTALL)


def cut(head: str, size: int) -> str:
    """``head``, which is the beginning of a text of ``size`` characters, with a mark at its end."""
    if head.lstrip(" \t\r\n")[:1] in ("{", "["):
        document = _closed(head, size)
        if document is not None:
            return document
    space = max(head.rfind(space, len(head) - _WORD_CHARS) for space in " \n\t,")
    head = head[:space] if space > 0 else head[:-_WORD_CHARS]
    number = _NUMBER.search(head, max(0, len(head) - 64))
    if number is not None:
        head = head[: number.start()].rstrip()
    return head + _mark(size - len(head))


def _mark(count: int) -> str:
    return f"... [TRUNCATED {count} chars]"


def _closed(head: str, size: int) -> str | None:
    """As JSON, without the value that was cut but for a text, which is cut itself; ``None`` if it is none."""
    closing: list[str] = []
    last, text = None, None
    for token in _TOKEN.finditer(head):
        match token[0]:
            case "{" | "[" as opening:
                closing.append("}" if opening == "{" else "]")
            case "}" | "]":
                if not closing:
                    return None
                closing.pop()
            case '"':  # never closed
                text = token
                break
            case string if string != ",":
                continue
        last = token
    if last is None or not closing:
        return None
    end = "".join(reversed(closing))
    if text is not None and (closing[-1] == "]" or head[: text.start()].rstrip()[-1:] == ":"):
        said = cut(_unquoted(head[text.end() :]), size - text.end())
        document = head[: text.start()] + json.dumps(said, ensure_ascii=False) + end
    else:
        kept = head[: last.start() if last[0] == "," else last.end()]
        comma = "" if last[0] in ("{", "[") else ","
        name = "" if closing[-1] == "]" else '"...":'
        document = f"{kept}{comma}{name}{json.dumps(_mark(size - len(kept)))}{end}"
    try:
        json.loads(document)
    except (ValueError, RecursionError):
        return None
    return document


def _unquoted(text: str) -> str:
    """The beginning of a JSON string, whose last escape may be cut."""
    for end in range(len(text), max(-1, len(text) - 7), -1):
        try:
            said: str = json.loads(f'"{text[:end]}"')
        except ValueError:
            continue
        return said
    return ""
