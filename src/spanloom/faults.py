"""What a plugin's own callable got wrong: noted on the span, told to its author, kept from the program."""

from .errors import SpanloomError, guard, log, place, strict
from .recorder import Active

_told: set[str] = set()


class WrongAnswerError(SpanloomError):
    """A plugin's callable returned what nobody can read. The message holds no data of the program."""


def of_caller(active: Active, name: str, exc: Exception) -> None:
    """``name`` failed on the application's thread. Raises under SPANLOOM_STRICT, so end the span first."""
    active.faults = _noted(active.faults or (), name, exc)
    guard.fault(exc, _whose(active, name))


def of_worker(active: Active, name: str, exc: Exception, faults: list[str]) -> None:
    """``name`` failed where nobody could catch it: said once of each kind, or always and whole if strict."""
    faults[:] = _noted(faults, name, exc)
    # its message may quote the user's data, unless it is ours
    what = f"raised {type(exc).__qualname__} at {place(exc.__traceback__)}"
    if isinstance(exc, WrongAnswerError):
        what = str(exc)
    text = (
        f"spanloom: {_whose(active, name)} {what}; the span is kept without its answer. Correct it."
    )
    if strict():
        log.error("%s", text, exc_info=exc)
    elif text not in _told and len(_told) < 1000:
        _told.add(text)
        log.warning("%s", text)


def _noted(faults: tuple[str, ...] | list[str], name: str, exc: Exception) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*faults, f"{name}: {type(exc).__qualname__}")))


def _whose(active: Active, name: str) -> str:
    return f"`{name}` of integration {active.integration!r}"
