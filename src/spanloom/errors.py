"""What may go wrong, and the one place where our own faults are swallowed."""

import logging
import os
from collections.abc import Callable
from types import TracebackType

log: logging.Logger = logging.getLogger("spanloom")
"""The logger ``spanloom``, for what is no user's mistake. No content of a call belongs into it."""


def strict() -> bool:
    """Whether our faults and the user's mistakes raise instead of warn: the test suite asks for it."""
    return os.environ.get("SPANLOOM_STRICT") == "1"


class Retry(Exception):
    """A backend asks for the same batch again.

    Args:
        reason: for the log, without content of spans.
        after_s: seconds to wait; None: about 0.25 at first, then twice as long each time,
            up to 10. After eight tries the batch is lost.
    """

    def __init__(self, reason: str = "busy", *, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Refused(Exception):
    """A backend took the batch but for some of its spans, which are lost. The batch does not come again.

    Args:
        reason: for the log, without content of spans.
        spans: how many were lost, of those in the batch.
    """

    def __init__(self, reason: str, *, spans: int) -> None:
        super().__init__(reason)
        self.spans = spans


class SpanloomError(Exception):
    """The user's mistake: names what was given, what is known and the fix. Raised only under SPANLOOM_STRICT."""


class BudgetExceeded(Exception):
    """A budget that was asked to stop its program is spent. The one thing that is raised into it."""


class _Guard:
    """``with guard:`` around work of the recorder on a program's thread. Never around the program's call.

    An exception inside is counted and logged, and goes no further. Under SPANLOOM_STRICT it does.
    ``guard.fault(exc, whose)`` does the same with an exception that was caught, and names whose it is.
    """

    faults: int = 0

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> bool:
        if not isinstance(exc, Exception) or isinstance(exc, BudgetExceeded) or strict():
            return False
        self.fault(exc)
        return True

    def fault(self, exc: Exception, whose: str = "") -> None:
        """Count and log one of our faults. For hot paths, where a ``with`` would cost too much.

        Args:
            exc: raised again under SPANLOOM_STRICT.
            whose: the callable of a plugin that raised it; then its author is told where to look.
        """
        if isinstance(exc, BudgetExceeded):
            raise exc
        where = f"{type(exc).__qualname__} at {place(exc.__traceback__)}"
        if strict():
            if not whose:
                raise exc
            raise SpanloomError(f"spanloom: {whose} raised {where}. Correct it there.") from exc
        self.faults += 1
        if self.faults <= 10:  # a fault on a hot path must not become a flood of its own
            # the message may quote the user's data, so only its class and place are logged
            said = f"spanloom: {whose} raised" if whose else "spanloom fault"
            log.warning("%s %s; your call is not affected", said, where)


def place(tb: TracebackType | None) -> str:
    """``file:line`` of the innermost frame."""
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    return f"{tb.tb_frame.f_code.co_filename}:{tb.tb_lineno}" if tb is not None else "?"


guard: _Guard = _Guard()

_scrubber: Callable[[str], str] | None = None


def use_scrubber(function: Callable[[str], str]) -> None:
    """How ``scrub`` takes secrets out of a text: known once the processors are."""
    global _scrubber
    _scrubber = function


def scrub(text: str) -> str:
    """``text`` as it may be logged; nothing of it where that cannot be told."""
    try:
        return _scrubber(text) if _scrubber is not None else ""
    except Exception:
        return ""


def describe(exc: BaseException) -> str:
    """An exception as it may be logged: its message may quote the user's data."""
    text = ""
    if isinstance(exc, OSError) and exc.strerror:
        text = exc.strerror
    else:
        try:
            text = scrub(str(exc)[:2000])
        except Exception:  # one whose __str__ raises
            pass
    name = type(exc).__qualname__
    return f"{name}: {text[:500]}" if text else name


_said: set[str] = set()


def mistake(message: str) -> None:
    """Tell the user of wrong use or configuration: each message is one warning.

    Args:
        message: names the key, the value and the fix; a secret in it is taken out.

    Raises:
        SpanloomError: under SPANLOOM_STRICT, instead of the warning.
    """
    try:
        message = _scrubber(message) if _scrubber is not None else message
    except Exception:
        message = "wrong use, and what was wrong cannot be shown"
    if not message.startswith("spanloom"):  # it stands among the program's own lines
        message = f"spanloom: {message}"
    if strict():
        raise SpanloomError(message)
    if message not in _said and len(_said) < 1000:
        _said.add(message)
        log.warning("%s", message)
