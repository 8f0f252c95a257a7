"""What becomes of one integration once its framework is imported; ``spanloom doctor`` runs it.

``python -m spanloom.cli.look NAME`` in a process of its own, because the import of a framework may
take seconds, print, fail or hang. Its last line of output is the report.
"""

import importlib
import logging
import os
import sys

import msgspec
from msgspec import Struct

MARK = "spanloom-look "


class Seen(Struct, kw_only=True):
    """What the child tells."""

    report: bytes = b""
    """A ``spanloom.others.Report`` as JSON."""
    failed: str | None = None
    """Why the framework could not be imported."""
    said: list[str] = []
    """Warnings of spanloom's own."""


class _Listener(logging.Handler):
    def __init__(self, seen: Seen) -> None:
        super().__init__(logging.WARNING)
        self.seen = seen

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.said.append(record.getMessage())


def look(name: str) -> Seen:
    from spanloom import others, patches

    os.environ.pop("SPANLOOM_STRICT", None)
    seen = Seen()
    log = logging.getLogger("spanloom")
    log.addHandler(_Listener(seen))
    log.propagate = False
    point = patches.available()[name]
    patches.enable([name])
    try:
        importlib.import_module(name)
        for row in point.load().rows:
            module = row.module if isinstance(row, patches.Hook) else row.target.partition(":")[0]
            try:
                importlib.import_module(module)
            except ModuleNotFoundError:  # another version's, or of a package that is not installed
                continue
    except BaseException as exc:  # whatever a framework may do when it is imported
        seen.failed = f"{type(exc).__name__}: {exc}"[:500]
    seen.report = msgspec.json.encode(others.report())
    return seen


if __name__ == "__main__":
    answer: str = msgspec.json.encode(look(sys.argv[1])).decode()
    sys.stdout.flush()
    os.write(1, f"\n{MARK}{answer}\n".encode())
    os._exit(0)  # threads that a framework started must not keep this process
