"""Budgets: what model calls may cost within a time, and a stop for those who ask for one.

What a call cost is known once the worker has priced it, some tens of milliseconds after its end: calls
on their way when the limit is reached go through.
"""

import re
import threading
import time
from collections import deque
from contextvars import ContextVar
from types import TracebackType

from . import recorder
from .errors import BudgetExceeded, guard, log, mistake
from .recorder import Scope

_BUCKETS = 600
"""Into how many parts a window is cut: spending is forgotten part by part."""
_WARN_AT = (0.75, 0.9, 1.0)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}

_budgets: dict[str, "Budget"] = {}


class Budget:
    """What ``spanloom.budget(...)`` returns. Counts the calls of this process.

    As a context manager it counts what runs inside its blocks, over threads and tasks, and nothing
    else; without a block it counts every call.
    """

    def __init__(self, name: str, limit_usd: float, window_s: float, hard: bool) -> None:
        self.name: str = name
        self.limit_usd: float = limit_usd
        self.window_s: float = window_s
        self.hard: bool = hard
        self._within = False
        self._lock = threading.Lock()
        self._spent: deque[tuple[int, float]] = deque()
        self._said = 0.0
        self._scopes: ContextVar[tuple[Scope, ...]] = ContextVar("spanloom_budget", default=())

    @property
    def spent_usd(self) -> float:
        """Of the calls that began within the window and whose price is known."""
        with self._lock:
            self._forget(time.time())
            return round(sum(usd for _, usd in self._spent), 12)

    @property
    def left_usd(self) -> float:
        return max(0.0, self.limit_usd - self.spent_usd)

    @property
    def exceeded(self) -> bool:
        return self.spent_usd >= self.limit_usd

    def check(self) -> None:
        """Raises:
        BudgetExceeded: it is ``hard`` and spent.
        """
        if self.hard and self.exceeded:
            raise BudgetExceeded(
                f"budget {self.name!r}: ${self.spent_usd:.4f} of ${self.limit_usd:g} in "
                f"{_words(self.window_s)} are spent; raise limit_usd or wait."
            )

    def __enter__(self) -> "Budget":
        self.check()
        with guard:
            if not self._within:
                with self._lock:
                    self._within = True
                    self._spent.clear()  # of calls that are none of its block's
            inherited = recorder.ambient().budgets
            scope = Scope(budgets=(*inherited, *({self.name} - set(inherited))))
            self._scopes.set((*self._scopes.get(), scope))
            scope.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        with guard:
            *rest, scope = self._scopes.get()
            self._scopes.set(tuple(rest))
            scope.__exit__()

    async def __aenter__(self) -> "Budget":
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.__exit__(kind, exc, tb)

    # -- on the worker -------------------------------------------------------------------------

    def counts(self, names: tuple[str, ...]) -> bool:
        return self.name in names if self._within else True

    def spend(self, usd: float, when_s: float) -> None:
        now = time.time()
        with self._lock:
            self._forget(now)
            if when_s <= now - self.window_s:
                return
            part = int(when_s / self._part_s)
            if self._spent and self._spent[-1][0] >= part:
                last, before = self._spent[-1]
                self._spent[-1] = last, before + usd
            else:
                self._spent.append((part, usd))
            spent = sum(usd for _, usd in self._spent)
        share = spent / self.limit_usd
        reached = max((mark for mark in _WARN_AT if share >= mark), default=0.0)
        if reached > self._said:
            log.warning(
                "spanloom budget %s: %.0f %% of $%g in %s is spent ($%.4f)",
                self.name, share * 100, self.limit_usd, _words(self.window_s), spent,
            )  # fmt: skip
        self._said = reached

    @property
    def _part_s(self) -> float:
        return self.window_s / _BUCKETS

    def _forget(self, now: float) -> None:
        oldest = (now - self.window_s) / self._part_s
        while self._spent and self._spent[0][0] < oldest:
            self._spent.popleft()


def budget(name: str, /, *, limit_usd: float, window: float | str, hard: bool = False) -> Budget:
    """What the model calls of this process, or of a block, may cost within a rolling time.

    At 75, 90 and 100 % one warning each is logged. With ``hard`` the next model call after that
    raises ``spanloom.BudgetExceeded`` before it is made, as does entering the block: the one thing
    that spanloom raises into a program. The same name again gives the same budget with the new limits.

    Args:
        name: told in warnings, and recorded with the calls in its blocks.
        limit_usd: US dollars, more than zero.
        window: seconds, or text such as ``"1h"``, ``"1d"``, ``"30d"``.
        hard: raise, instead of only warning.
    """
    limit, window_s = _limit(limit_usd), _seconds(window)
    if limit is None or window_s is None:
        what = f"limit_usd {limit_usd!r}" if limit is None else f"window {window!r}"
        mistake(
            f"budget {name!r}: {what} is none; give US dollars above 0 and a time such as 3600 or "
            '"1d". It never runs out.'
        )
        limit, window_s, hard = float("inf"), 86400.0, False
    with guard:
        known = _budgets.get(str(name))
        if known is None:
            known = _budgets[str(name)] = Budget(str(name), limit, window_s, bool(hard))
        known.limit_usd, known.window_s, known.hard = limit, window_s, bool(hard)
        recorder.use_gate(_gate if any(b.hard for b in _budgets.values()) else None)
        return known
    return Budget(str(name), limit, window_s, False)


def spend(names: tuple[str, ...], usd: float, start_ns: int) -> None:
    """A call that belongs to these budgets was priced. On the worker."""
    for one in list(_budgets.values()):
        if one.counts(names):
            one.spend(usd, start_ns / 1e9)


def state() -> dict[str, dict[str, float]]:
    """For ``stats``."""
    return {
        name: {"spent_usd": one.spent_usd, "limit_usd": one.limit_usd, "window_s": one.window_s}
        for name, one in _budgets.items()
    }


def forget() -> None:
    """All budgets, with what they know: for tests."""
    _budgets.clear()
    recorder.use_gate(None)


def _gate(names: tuple[str, ...]) -> None:
    for one in list(_budgets.values()):
        if one.hard and one.counts(names):
            one.check()


def _limit(given: object) -> float | None:
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    return float(given) if 0 < given < float("inf") else None


def _seconds(given: object) -> float | None:
    if isinstance(given, str):
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", given.strip().lower())
        given = float(match[1]) * _UNITS[match[2]] if match else None
    return _limit(given)


def _words(seconds: float) -> str:
    for unit in ("w", "d", "h", "m"):
        if seconds >= _UNITS[unit] and seconds % _UNITS[unit] == 0:
            return f"{seconds / _UNITS[unit]:g}{unit}"
    return f"{seconds:g}s"
