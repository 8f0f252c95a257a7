"""The one configuration file: how it is found, and how it is read."""

import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import mistake

_OWN = "spanloom.toml"
_SHARED = "pyproject.toml"


class File(NamedTuple):
    path: str
    prefix: str
    """Of our tables: empty in a file of our own."""
    values: Mapping[str, Any]
    usable: bool = True

    @property
    def source(self) -> str:
        return f"{self.path} [{self.prefix}]" if self.prefix else self.path

    def table(self, name: str) -> str:
        return f"{self.path} [{self.prefix}{self.prefix and '.'}{name}]"


def find(start: str) -> File | None:
    """The nearest file with settings, from the directory ``start`` upwards.

    Files are never merged: whoever reads one file has read them all.
    """
    here = start
    while True:
        if here == start or not _anybody_may_write(here):
            for name in (_OWN, _SHARED):
                path = os.path.join(here, name)
                # a broken file of our own ends the search; another's is not ours to judge
                if os.path.isfile(path) and ((file := parse(path)) or name == _OWN):
                    return file
        above = os.path.dirname(here)
        if above == here:
            return None
        here = above


def _anybody_may_write(directory: str) -> bool:
    """Such as /tmp: a file there may be another user's, who would choose where our spans go."""
    try:
        return os.stat(directory).st_mode & 0o1002 == 0o1002
    except OSError:
        return True


def parse(path: str, *, named: bool = False) -> File | None:
    """The settings in a file; ``None`` where it is unusable or another tool's.

    Args:
        path: absolute.
        named: the user asked for this very file, so that one without our table is a mistake.

    """
    shared = os.path.basename(path) == _SHARED
    data = b""
    try:
        with open(path, "rb") as handle:
            data = handle.read()
        if shared and not named and b"spanloom" not in data:
            return None  # spares the parser, which costs milliseconds
        import tomllib

        values: Any = tomllib.loads(data.decode())
    except OSError as exc:
        return _unusable(path, exc.strerror or type(exc).__name__)
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        return _unusable(f"{path}:{line}", "not UTF-8")
    except ValueError as exc:
        return _unusable(*_broken(path, data, str(exc)))
    if not shared:
        return File(path, "", values)
    for name in ("tool", "spanloom"):
        values = values.get(name) if isinstance(values, dict) else None
    if isinstance(values, dict):
        return File(path, "tool.spanloom", values)
    if values is not None or named:
        return _unusable(path, "there is no table [tool.spanloom]")
    return None


def _broken(path: str, data: bytes, said: str) -> tuple[str, str]:
    """Place and reason of what the parser said: ``... (at line 3, column 5)``."""
    reason, _, where = said.rpartition(" (at ")
    line = re.match(r"line (\d+)", where)
    if line is None and where != "end of document)":
        return path, said
    number = line[1] if line else data.rstrip().count(b"\n") + 1
    return f"{path}:{number}", reason


def _unusable(place: str, reason: str) -> File | None:
    mistake(
        f"spanloom: cannot use the configuration file {place}: {reason}. Correct it, or name another "
        "one with SPANLOOM_CONFIG; until then no file is used, and no content is kept."
    )
    # whether it said so is not known, and what is kept cannot be taken back
    return File(place, "", {"content": "none"}, usable=False)
