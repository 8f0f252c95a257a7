"""``spanloom doctor``: what is recorded here, where it goes, and what is in the way."""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from msgspec import Struct

from . import checks, frameworks
from .checks import BackendRow, SettingRow, VariableRow
from .finding import Finding, Level
from .frameworks import IntegrationRow
from .traces import write_json


class DoctorDocument(Struct, frozen=True, kw_only=True):
    """What ``spanloom doctor --json`` prints. ``v`` rises when a reader would have to change."""

    v: int = 1
    ok: bool
    """False, as the exit status 1, where a finding is a problem."""
    python: dict[str, str]
    settings: tuple[SettingRow, ...]
    backends: tuple[BackendRow, ...]
    integrations: tuple[IntegrationRow, ...]
    variables: tuple[VariableRow, ...]
    findings: tuple[Finding, ...]


def configure(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--json", action="store_true", help="print one JSON document")
    add(
        "--time-limit", type=float, default=frameworks.TIME_LIMIT_S, metavar="SECONDS",
        help="how long the import of one library may take (60)",
    )  # fmt: skip


def main(args: Namespace) -> int:
    os.environ.pop("SPANLOOM_STRICT", None)  # mistakes are what we came to list
    document = examine(args.time_limit)
    if args.json:
        write_json(document)
    else:
        _print(document)
    return 0 if document.ok else 1


def examine(time_limit_s: float = frameworks.TIME_LIMIT_S) -> DoctorDocument:
    loaded, found = checks.read_settings()
    versions = frameworks.installed()
    found += checks.processors(loaded)
    backends, said = checks.backends(loaded)
    found += said
    integrations, said = frameworks.integrations(loaded, versions, time_limit_s=time_limit_s)
    found += said
    found += checks.other_tools(versions, integrations, os.environ)
    found += checks.startup()
    return DoctorDocument(
        ok=not any(finding.level == "problem" for finding in found),
        python=checks.python_facts(versions),
        settings=checks.setting_rows(loaded),
        backends=tuple(backends),
        integrations=tuple(integrations),
        variables=checks.variable_rows(loaded, os.environ),
        findings=tuple(found),
    )


_TITLES = (
    ("settings", "settings"), ("processors", "what spans pass on their way"),
    ("backends", "where records go"), ("integrations", "what is recorded"),
    ("others", "other tools that record"), ("startup", "start of programs"),
)  # fmt: skip
_MARKS: dict[Level, tuple[str, str]] = {
    "ok": ("[OK]", "green"), "note": ("[!!]", "yellow"), "problem": ("[XX]", "bold red"),
    "absent": ("[--]", "dim"),
}  # fmt: skip
_ALWAYS = ("backends", "dir", "config", "content", "service_name")


def _print(document: DoctorDocument) -> None:
    from rich.text import Text

    from spanloom.words import clean, plural

    from .page import QUIET, Page

    page = Page()
    facts = document.python
    page.line(
        Text()
        .append(f"spanloom {facts['spanloom']}", "bold")
        .append(f"  {facts['python']}  {facts['platform']}")
    )
    for what in ("executable", "location"):
        page.line(Text(facts[what], QUIET))

    def entry(mark: str, style: str, name: str, text: str, fix: str | None, wide: int) -> None:
        first, *rest = page.wrap(text, page.width - 8 - wide) if text else [""]
        line = Text("  ").append(mark, style).append(f" {name:<{wide}} ", "bold")
        page.line(line.append(first))
        margin = " " * (8 + wide)
        for more in rest:
            page.line(margin + more)
        if fix:
            for more in page.wrap(f"-> {fix}", page.width - 8 - wide):
                page.line(Text(margin + more, QUIET))

    for area, title in _TITLES:
        found = [finding for finding in document.findings if finding.area == area]
        if not found and area != "settings":
            continue
        page.line()
        page.line(Text(title, QUIET))
        if area == "settings":
            for setting, value, source in _settings(document.settings):
                lines = page.wrap(f"{clean(value)} ({clean(source)})", page.width - 17)
                for number, text in enumerate(lines):
                    page.line(f"  {setting if number == 0 else '':<14} {text}")
        wide = min(max((len(finding.name) for finding in found), default=0), 24)
        for finding in found:
            mark, style = _MARKS[finding.level]
            text, fix = clean(finding.text), finding.fix and clean(finding.fix)
            entry(mark, style, clean(finding.name), text, fix, wide)
    if document.variables:
        page.line()
        page.line(Text("variables of OpenTelemetry", QUIET))
        for row in document.variables:
            about = f"sets {', '.join(row.sets)}" if row.sets else "not read by spanloom here"
            page.line(
                Text(f"  {row.name}={page.cut(clean(row.value), 40)}").append(f"  {about}", QUIET)
            )
    page.line()
    problems = [f for f in document.findings if f.level == "problem"]
    notes = sum(f.level == "note" for f in document.findings)
    words = [plural(len(problems), "problem") if problems else "no problem"]
    words += [plural(notes, "note")] if notes else []
    page.line(Text(", ".join(words), "bold red" if problems else "bold green"))


def _settings(rows: Sequence[SettingRow]) -> list[tuple[str, str, str]]:
    """Those that matter always, and those that somebody set."""
    shown = []
    for row in rows:
        if row.key in _ALWAYS or row.source != "default":
            value = row.value
            if isinstance(value, (list, tuple)):
                value = ", ".join(map(str, value))
            shown.append((row.key, str(value) if value not in (None, "") else "-", row.source))
    return sorted(shown, key=lambda row: row[0] not in _ALWAYS)
