"""What ``spanloom doctor`` says of the integrations: what each would record once its framework runs."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distributions
from typing import Any

import msgspec
from msgspec import Struct

from spanloom import others, patches
from spanloom.settings import Settings
from spanloom.words import plural

from . import look
from .finding import Finding, Level

TIME_LIMIT_S = 60.0
"""For the import of one framework in its own process."""
_TRACE_VARIABLES = ("TRACEPARENT", "TRACESTATE", "BAGGAGE")


class IntegrationRow(Struct, frozen=True, kw_only=True):
    name: str
    wakes_on: str
    """The import that wakes it."""
    provided_by: str
    package: str
    supports: str
    found: str | None
    """The framework's version; null: it is not installed."""
    fits: bool | None
    wanted: bool
    """By the settings."""
    targets: tuple[others.Target, ...]
    foreign: tuple[others.Found, ...]


def installed() -> dict[str, str]:
    """Every distribution by its normal name, and its version."""
    found: dict[str, str] = {}
    for distribution in distributions():
        name = distribution.metadata["Name"] if distribution.metadata else None
        if name:
            found.setdefault(normal(name), distribution.version)
    return found


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def fits(version: str, supports: str) -> bool | None:
    """Whether ``version`` satisfies bounds such as ``>=1.66,<3``; ``None`` where that is unclear."""
    given = _numbers(version)
    for bound in supports.split(","):
        match = re.fullmatch(r"\s*(>=|<=|==|!=|>|<)\s*([\d.]+)\s*", bound)
        if match is None or given is None:
            return None
        limit = _numbers(match[2]) or ()
        width = max(len(given), len(limit))
        a, b = (v + (0,) * (width - len(v)) for v in (given, limit))
        holds = {">=": a >= b, "<=": a <= b, "==": a == b, "!=": a != b, ">": a > b, "<": a < b}
        if not holds[match[1]]:
            return False
    return True


def _numbers(version: str) -> tuple[int, ...] | None:
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, match[0].split("."))) if match else None


def integrations(
    loaded: Settings, versions: Mapping[str, str], *, time_limit_s: float = TIME_LIMIT_S
) -> tuple[list[IntegrationRow], list[Finding]]:
    """Each installed integration; where its framework is there, what is patched once it is imported."""
    points = patches.available()
    known: dict[str, Any] = {}
    found: list[Finding] = []
    for wake, point in points.items():
        try:
            known[wake] = point.load()
        except Exception as exc:
            text = f"the integration cannot be loaded: {type(exc).__name__}: {exc}"
            found.append(Finding(area="integrations", name=wake, level="problem", text=text))
    for name in loaded.integrations or ():
        names = set(points) | {i.name for i in known.values()}
        if name not in names:
            found.append(
                Finding(
                    area="integrations", name=name, level="problem",
                    text=f"wanted by {loaded.source('integrations')}, and not installed",
                    fix=f"correct the name; known: {', '.join(sorted(names))}",
                )
            )  # fmt: skip
    there = [wake for wake, i in known.items() if normal(i.package) in versions]
    with ThreadPoolExecutor(2) as pool:
        looks = dict(zip(there, pool.map(lambda w: _look(w, time_limit_s), there), strict=True))
    rows = []
    for wake, integration in known.items():
        version = versions.get(normal(integration.package))
        seen, trouble = looks.get(wake, (None, None))
        report = (
            msgspec.json.decode(seen.report, type=others.Report)
            if seen is not None and seen.report
            else others.Report()
        )
        here = next((h for h in report.integrations if h.name == integration.name), None)
        wanted = loaded.wants(integration.name) or loaded.wants(wake)
        distribution = points[wake].dist
        rows.append(
            IntegrationRow(
                name=integration.name,
                wakes_on=wake,
                provided_by=f"{distribution.name} {distribution.version}" if distribution else "?",
                package=integration.package,
                supports=integration.supports,
                found=version,
                fits=None if version is None else fits(version, integration.supports),
                wanted=wanted,
                targets=here.targets if here else (),
                foreign=tuple(f for f in report.found if f.what != "is imported"),
            )
        )
        found.append(_verdict(rows[-1], here, seen, trouble, loaded))
    return rows, found


def _verdict(
    row: IntegrationRow,
    here: others.Here | None,
    seen: look.Seen | None,
    trouble: str | None,
    loaded: Settings,
) -> Finding:
    def finding(level: Level, text: str, fix: str | None = None) -> Finding:
        return Finding(area="integrations", name=row.name, level=level, text=text, fix=fix)

    if row.found is None:
        return finding("absent", f"{row.package} is not installed")
    what = f"{row.package} {row.found}"
    if not row.wanted:
        return finding("absent", f"{what}; left out by {loaded.source('integrations')}")
    if trouble is not None:
        return finding("problem", f"{what}: {trouble}")
    if seen is not None and seen.failed:
        return finding(
            "problem", f"{what} cannot be imported: {seen.failed}", f"try: import {row.wakes_on}"
        )
    if here is None or not here.on:
        why = "; ".join([*(here.missing if here else ()), *(seen.said if seen else ())][:2])
        return finding(
            "problem", f"{what} is not patched: {why or 'no reason given'}",
            "upgrade spanloom or pin the package",
        )  # fmt: skip
    count = sum(t.state in ("patched", "covered", "hooked") for t in row.targets)
    text = f"{what}, {plural(count, 'place')} to record"
    if row.fits is False:
        return finding(
            "note", f"{text}; known to work: {row.supports}", f"install {row.package}{row.supports}"
        )
    if not count:
        return finding("problem", f"{what}: nothing to record was found in it", "upgrade spanloom")
    return finding("ok", f"{text} (supports {row.supports})")


def _look(wake: str, time_limit_s: float) -> tuple[look.Seen | None, str | None]:
    """What the child saw, or why it saw nothing."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "spanloom.cli.look", wake],
            env=clean_environment(), capture_output=True, text=True, errors="replace",
            timeout=time_limit_s, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None, f"its import took longer than {time_limit_s:.0f} s"
    except OSError as exc:
        return None, f"no process can be started: {exc.strerror}"
    for line in reversed(done.stdout.splitlines()):
        if line.startswith(look.MARK):
            return msgspec.json.decode(line[len(look.MARK) :], type=look.Seen), None
    last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    return None, f"its import ended the process ({done.returncode}): {last[:300]}"


def clean_environment() -> dict[str, str]:
    """For a child that must neither record nor join a trace."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SPANLOOM_RUN", "SPANLOOM_ROOT")) and name not in _TRACE_VARIABLES
    }
    return {**kept, "SPANLOOM_DISABLED": "1", "PYTHONIOENCODING": "utf-8"}
