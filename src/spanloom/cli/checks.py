"""What ``spanloom doctor`` looks at, one function for each matter. Nothing is written or sent."""

import importlib.machinery
import logging
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec
from msgspec import Struct

from spanloom import others, plugins, settings
from spanloom.settings import Settings
from spanloom.store import near
from spanloom.words import plural

from . import run as run_command
from .finding import Finding, Level
from .frameworks import IntegrationRow, clean_environment

_FULL, _SCARCE = 50 * 2**20, 2**30
_SECRET = re.compile("HEADERS|KEY|TOKEN|SECRET|PASSWORD|CERTIFICATE", re.IGNORECASE)


class SettingRow(Struct, frozen=True, kw_only=True):
    key: str
    value: Any
    """Secrets are hidden; of options only the names are shown."""
    source: str


class VariableRow(Struct, frozen=True, kw_only=True):
    """A variable of OpenTelemetry's that is set."""

    name: str
    value: str
    """``<hidden>`` where it may be a secret."""
    sets: tuple[str, ...]
    """The settings that it decides."""


class BackendRow(Struct, frozen=True, kw_only=True):
    name: str
    type: str
    where: str | None
    """A directory, or an address without credentials; null: it does not say."""
    writable: bool | None
    free_bytes: int | None


class Said(logging.Handler):
    """Our own warnings while something is set up."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage().removeprefix("spanloom: "))

    def __enter__(self) -> "Said":
        log = logging.getLogger("spanloom")
        log.addHandler(self)
        self._propagated, log.propagate = log.propagate, False
        return self

    def __exit__(self, *exc: object) -> None:
        log = logging.getLogger("spanloom")
        log.removeHandler(self)
        log.propagate = self._propagated


# -- settings -------------------------------------------------------------------------------------


def read_settings() -> tuple[Settings, list[Finding]]:
    """The settings in force here, and what is wrong with where they come from."""
    with Said() as said:
        loaded = settings.load()
    found = [
        Finding(area="settings", name="configuration", level="problem", text=message)
        for message in said.messages
    ]
    if loaded.disabled:
        found.append(
            Finding(
                area="settings", name="disabled", level="problem",
                text=f"recording is switched off by {loaded.source('disabled')}",
                fix="unset it to record",
            )
        )  # fmt: skip
    elif not loaded.backends:
        found.append(
            Finding(
                area="settings", name="backends", level="problem", text="no backend is set",
                fix="unset SPANLOOM_BACKENDS, or name one: local",
            )
        )  # fmt: skip
    return loaded, found


def setting_rows(loaded: Settings) -> tuple[SettingRow, ...]:
    return tuple(
        SettingRow(
            key=key,
            value=info.shown(getattr(loaded, key)) if getattr(loaded, key) is not None else None,
            source=loaded.source(key),
        )
        for key, info in settings.KEYS.items()
        if key != "sources"
    )


def variable_rows(loaded: Settings, environ: Mapping[str, str]) -> tuple[VariableRow, ...]:
    rows = []
    for name in sorted(environ):
        if name.startswith("OTEL_") and environ[name].strip():
            decides = [
                key
                for key, source in loaded.sources.items()
                if re.search(rf"\b{re.escape(name)}\b", source)
            ]
            value = "<hidden>" if _SECRET.search(name) else _public(environ[name])
            rows.append(VariableRow(name=name, value=value, sets=tuple(decides)))
    return tuple(rows)


def _public(address: str) -> str:
    """Without what may be a secret: user, password and query of an address."""
    if "://" not in address:
        return address
    try:
        parts = urlsplit(address)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, parts.path, "", ""))
    except ValueError:
        return "<not an address>"


# -- processors -----------------------------------------------------------------------------------


def processors(loaded: Settings) -> Iterator[Finding]:
    """Those of the settings. What spanloom itself does to every span is not listed."""
    points = {point.name: point for point in entry_points(group="spanloom.processors")}
    for name in map(str, loaded.processors):  # from a file or the environment: no functions
        with Said() as said:
            made = plugins.processors(msgspec.structs.replace(loaded, processors=(name,)))
        if not made:
            text = "; ".join(said.messages) or "it cannot be set up"
            yield Finding(area="processors", name=name, level="problem", text=text)
            continue
        point = points.get(loaded.plugin("processors", name)[0])
        by = f", from {point.dist.name} {point.dist.version}" if point and point.dist else ""
        yield Finding(area="processors", name=name, level="ok", text=f"on{by}")


# -- backends -------------------------------------------------------------------------------------


def backends(loaded: Settings) -> tuple[list[BackendRow], list[Finding]]:
    rows, found = [], []
    for wanted in loaded.backends:
        name = wanted if isinstance(wanted, str) else type(wanted).__name__
        kind = loaded.plugin("backends", wanted)[0] if isinstance(wanted, str) else name
        with Said() as said:
            made = plugins.backends(msgspec.structs.replace(loaded, backends=(wanted,)))
        if not made:
            text = "; ".join(said.messages) or "it cannot be set up"
            found.append(Finding(area="backends", name=name, level="problem", text=text))
            rows.append(
                BackendRow(name=name, type=kind, where=None, writable=False, free_bytes=None)
            )
            continue
        [backend] = made
        folder = getattr(backend, "dir", None)
        if isinstance(folder, str):
            row, finding = _folder(name, kind, folder)
        else:
            where = next(
                (
                    _public(value)
                    for key in ("where", "endpoint", "url")
                    if isinstance(value := getattr(backend, key, None), str)
                ),
                None,
            )
            row = BackendRow(name=name, type=kind, where=where, writable=None, free_bytes=None)
            text = f"to {where}" if where else "keeps spans in memory" if kind == "memory" else "on"
            finding = Finding(area="backends", name=name, level="ok", text=text)
        rows.append(row)
        found.append(finding)
    return rows, found


def _folder(name: str, kind: str, folder: str) -> tuple[BackendRow, Finding]:
    there = folder
    while not os.path.lexists(there) and os.path.dirname(there) != there:
        there = os.path.dirname(there)
    writable = os.path.isdir(there) and os.access(there, os.W_OK | os.X_OK)
    inside = os.path.join(folder, "traces")
    if writable and os.path.lexists(inside):
        writable = os.path.isdir(inside) and os.access(inside, os.W_OK | os.X_OK)
    free = None
    try:
        free = shutil.disk_usage(there).free
        if hasattr(os, "statvfs") and os.statvfs(there).f_flag & getattr(os, "ST_RDONLY", 0):
            writable = False
    except OSError:
        pass
    row = BackendRow(name=name, type=kind, where=folder, writable=writable, free_bytes=free)
    files = [
        os.path.join(at, file)
        for at, _, names in os.walk(folder)
        for file in names
        if file != ".gitignore"
    ]
    size = sum(os.stat(file).st_size for file in files if os.path.exists(file))
    text = f"writes to {near(folder)}: "
    text += f"{plural(len(files), 'file')}, {in_bytes(size)}" if files else "nothing there yet"
    if free is not None:
        text += f"; {in_bytes(free)} free"
    if not writable:
        why = "is no directory" if not os.path.isdir(there) else "cannot be written to"
        return row, Finding(
            area="backends", name=name, level="problem", text=f"{near(there)} {why}",
            fix="choose another directory with SPANLOOM_DIR, or let this user write there",
        )  # fmt: skip
    if free is not None and free < _SCARCE:
        return row, Finding(
            area="backends", name=name, level="problem" if free < _FULL else "note", text=text,
            fix="make room, or choose another disk with SPANLOOM_DIR: what does not fit is lost",
        )  # fmt: skip
    return row, Finding(area="backends", name=name, level="ok", text=text)


def in_bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


# -- other tools ----------------------------------------------------------------------------------


def other_tools(
    versions: Mapping[str, str], rows: Sequence[IntegrationRow], environ: Mapping[str, str]
) -> Iterator[Finding]:
    for row in rows:
        for foreign in row.foreign:
            level: Level = "problem" if foreign.effect == "interferes" else "note"
            yield Finding(
                area="others", name=foreign.who, level=level,
                text=f"on as soon as {row.package} is imported: {foreign.what} at {foreign.where}",
                fix=foreign.fix,
            )  # fmt: skip
    for switch, variable in others.switched_on(environ, list(versions)):
        by = f"by {variable}" if variable else "by default"
        yield Finding(
            area="others", name=switch.who, level="note", text=f"{switch.what} ({by})",
            fix=switch.fix,
        )  # fmt: skip
    there: dict[str, list[str]] = {}
    for name, version in versions.items():
        if (vendor := others.vendor_of_distribution(name)) is not None:
            there.setdefault(vendor.name, []).append(f"{name} {version}")
    for vendor in others.VENDORS:
        if vendor.name in there:
            names = sorted(there[vendor.name])
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            verb = "doubles what spanloom records" if vendor.effect == "doubles" else "interferes"
            yield Finding(
                area="others", name=vendor.name, level="note",
                text=f"{', '.join(names[:3])}{more}: once switched on ({vendor.on}), {verb}",
                fix=vendor.fix,
            )  # fmt: skip


# -- start-up -------------------------------------------------------------------------------------

_BOOTSTRAPS = {
    "opentelemetry/instrumentation/auto_instrumentation": "opentelemetry-instrument",
    "ddtrace/bootstrap": "ddtrace-run",
    "newrelic/bootstrap": "newrelic-admin",
    "logfire/_internal/auto_trace": "Logfire",
}
_HOOKED = "import sys; print('hook' if 'spanloom.api' in sys.modules else 'none')"


def startup() -> Iterator[Finding]:
    """Whether ``spanloom run`` reaches the program, and who else starts with it."""
    python = run_command.python()
    other = not _same_environment(python)
    name = "spanloom run"
    environ = clean_environment()
    path = [entry for entry in environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    environ["PYTHONPATH"] = os.pathsep.join([run_command.BOOTSTRAP, *path])
    try:
        done = subprocess.run(
            [python, "-c", _HOOKED], env=environ, capture_output=True, text=True, timeout=60,
            stdin=subprocess.DEVNULL, errors="replace", check=False,
        )  # fmt: skip
        reached, said = "hook" in done.stdout.split(), done.stderr.strip()
    except (OSError, subprocess.TimeoutExpired) as exc:
        reached, said = False, str(exc)
    if reached:
        yield Finding(
            area="startup", name=name, level="ok", text=f"its hook is reached under {python}"
        )
    else:
        last = said.splitlines()[-1] if said else "Python did not import it"
        fix = (
            f"install spanloom there, or run {os.path.join(os.path.dirname(python), 'spanloom')}"
            if other
            else "call spanloom.init() in the program instead"
        )
        yield Finding(
            area="startup", name=name, level="problem",
            text=f"its hook is not reached under {python}: {last[:300]}", fix=fix,
        )  # fmt: skip
    yield from _sitecustomizes(path)
    for variable in ("PYTHONSAFEPATH", "PYTHONNOUSERSITE", "PYTHONHOME"):
        if os.environ.get(variable):
            yield Finding(
                area="startup", name=variable, level="note",
                text="is set: programs may find other packages than this command",
            )  # fmt: skip


def _same_environment(python: str) -> bool:
    """Whether an interpreter is of our own virtual environment, under another name."""
    folder = os.path.dirname(os.path.abspath(python))
    return os.path.realpath(folder) == os.path.realpath(os.path.dirname(sys.executable))


def _sitecustomizes(path: Sequence[str]) -> Iterator[Finding]:
    """Ours comes first and starts the next one; those behind it never run, with us or without."""
    entries = dict.fromkeys([*path, *(entry for entry in sys.path if entry)])
    found = []
    for entry in entries:
        if os.path.realpath(entry) == os.path.realpath(run_command.BOOTSTRAP):
            continue
        spec = importlib.machinery.PathFinder.find_spec("sitecustomize", [entry])
        if spec is not None and spec.origin:
            found.append(spec.origin)
    for number, origin in enumerate(found):
        by = next(
            (who for part, who in _BOOTSTRAPS.items() if part in origin.replace(os.sep, "/")), ""
        )
        if number == 0:
            yield Finding(
                area="startup", name="sitecustomize", level="note",
                text=f"{near(origin)}{f' of {by}' if by else ''} runs first, then spanloom starts",
            )  # fmt: skip
        else:
            yield Finding(
                area="startup", name="sitecustomize", level="note",
                text=f"{near(origin)}{f' of {by}' if by else ''} is never run: another is before it",
                fix="one sitecustomize must import the other",
            )  # fmt: skip


# -- python ---------------------------------------------------------------------------------------


def python_facts(versions: Mapping[str, str]) -> dict[str, str]:
    import spanloom

    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "executable": sys.executable,
        "platform": platform.platform(terse=True),
        "spanloom": versions.get("spanloom", "not installed: runs from a source tree"),
        "location": os.path.dirname(os.path.abspath(spanloom.__file__)),
        "msgspec": versions.get("msgspec", "?"),
        "rich": versions.get("rich", "?"),
    }
