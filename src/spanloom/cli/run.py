"""``spanloom run``: run a program with recording switched on, and be invisible otherwise.

The program is a child with a start-up hook on its ``PYTHONPATH``. Input, output, signals and exit
status are the child's own. Where the program is one piece of work and not a server, this process
makes up the ids of the root span, so that it can tell at the end which trace it was.
"""

import os
import re
import secrets
import shlex
import shutil
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from contextlib import suppress

from .child import Child

BOOTSTRAP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bootstrap")

_WITH_VALUE = ("--backends", "--service", "--content", "--dir", "--integrations")
_SERVERS = frozenset({
    "uvicorn", "gunicorn", "hypercorn", "daphne", "granian", "waitress", "waitress-serve", "celery",
    "rq", "dramatiq", "arq", "flask", "fastapi", "streamlit", "chainlit", "jupyter", "jupyter-lab",
    "jupyter-notebook", "jupyterlab", "ipykernel", "ipykernel_launcher", "ipython", "langgraph",
    "gradio",
})  # fmt: skip
_LAUNCHERS = frozenset({
    "env", "nice", "nohup", "time", "exec", "uv", "poetry", "pdm", "hatch", "pipenv", "rye", "run",
})  # fmt: skip
_PYTHON = re.compile(r"(python|pypy)[\d.]*t?(\.exe)?", re.IGNORECASE)
_PARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?"
)


def configure(parser: ArgumentParser) -> None:
    parser.usage = "%(prog)s [options] [--] COMMAND ...   (or: app.py ... | -m MODULE ...)"
    add = parser.add_argument
    add("--backends", metavar="NAMES", help="where spans go: local,console,memory")
    add("--service", metavar="NAME", help="name of the program in the record")
    add("--content", choices=("full", "redacted", "hash", "none"), help="what becomes of prompts")
    add("--dir", metavar="DIR", help="directory of the local record")
    add("--integrations", metavar="NAMES", help="instrument these libraries alone")
    root = parser.add_mutually_exclusive_group()
    root.add_argument(
        "--root", action="store_const", const=True, dest="root",
        help="one trace for the whole run, also for a known server",
    )  # fmt: skip
    root.add_argument(
        "--no-root", action="store_const", const=False, dest="root",
        help="a trace for each piece of work, as for a server or a notebook",
    )  # fmt: skip
    say = parser.add_mutually_exclusive_group()
    say.add_argument("--quiet", "-q", action="store_true", help="say nothing")
    say.add_argument(
        "--summary", action="store_true", help="sum up at the end though stderr is no terminal"
    )


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our options, and the command with its own."""
    ours: list[str] = []
    rest = list(words)
    while rest:
        word = rest[0]
        if word == "--":
            return ours, rest[1:]
        if word in ("-m", "-c") or not word.startswith("-") or word == "-":
            break
        ours.append(rest.pop(0))
        if word in _WITH_VALUE and rest:
            ours.append(rest.pop(0))
    return ours, rest


def main(args: Namespace) -> int:
    if not args.rest:
        return _fail(
            "no command is given. Examples: spanloom run app.py; spanloom run -m package;"
            " spanloom run -- uvicorn app:app",
            2,
        )
    command = resolve(args.rest)
    program = shutil.which(command[0])
    if program is None:
        return _not_found(command[0])
    with_root = args.root if args.root is not None else not is_server(args.rest)
    environ = dict(os.environ)
    run_id = environment(environ, args, with_root=with_root)
    claim = environ.get("SPANLOOM_RUN_CLAIM")
    reason = unhookable(command, program)
    if reason and not args.quiet:
        _say(f"{reason}, so nothing is recorded; the program runs as it is")
    started_ns = time.time_ns()
    try:
        try:
            child = Child([program, *command[1:]], argv0=command[0], environ=environ)
        except OSError as exc:
            # `which` found it, so what is missing is the interpreter of its first line
            why = "the interpreter in its first line is missing" if exc.errno == 2 else exc.strerror
            return _fail(f"{command[0]} cannot be run: {why}", 126)
        status = child.wait()
        claimed = claim is None or not os.path.exists(claim)
    finally:
        if claim is not None:
            with suppress(OSError):
                os.unlink(claim)
    if not args.quiet and not reason and (args.summary or sys.stderr.isatty()):
        with suppress(Exception):  # the program is done; our line must not change how it ended
            _say(_summary(environ, run_id, started_ns, claimed))
    return child.leave(status)


def resolve(words: Sequence[str]) -> list[str]:
    """The command line as the operating system wants it: a script or module gets its Python."""
    first = words[0]
    if first in ("-m", "-c"):
        return [python(), *words]
    is_script = first.endswith((".py", ".pyw", ".pyz")) and os.path.isfile(first)
    if is_script or os.path.isfile(os.path.join(first, "__main__.py")):
        return [python(), *words]
    return list(words)


def python() -> str:
    """The interpreter of the active environment; spanloom may be installed outside it."""
    active = os.environ.get("VIRTUAL_ENV")
    if active and os.path.realpath(active) != os.path.realpath(sys.prefix):
        programs = os.path.join(active, "Scripts" if os.name == "nt" else "bin")
        found = shutil.which("python", path=programs)
        if found:
            return found
    return sys.executable


def is_server(words: Sequence[str]) -> bool:
    """Whether the command is known to serve: one span around all of it would say nothing."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name = os.path.basename(word).lower().removesuffix(".exe")
        if _PYTHON.fullmatch(name) or name in _LAUNCHERS or name == "-m":
            continue
        if name == "-c":
            return False
        if word in ("-W", "-X", "-n", "--with", "--python", "-p"):
            rest = rest[1:]
            continue
        if word.startswith("-") or re.match(r"\w+=", word):
            continue
        if name in ("manage.py", "django", "django-admin"):
            return "runserver" in rest
        return name.removesuffix(".py").split(".")[0] in _SERVERS
    return False


def environment(environ: dict[str, str], args: Namespace, *, with_root: bool) -> str | None:
    """Put the hook and the options into ``environ``; the trace id of the run, if it has a root."""
    path = environ.get("PYTHONPATH")
    entries = path.split(os.pathsep) if path else []
    if BOOTSTRAP not in entries:
        environ["PYTHONPATH"] = os.pathsep.join([BOOTSTRAP, *entries])
    for option, variable in (
        ("backends", "SPANLOOM_BACKENDS"),
        ("service", "SPANLOOM_SERVICE_NAME"),
        ("content", "SPANLOOM_CONTENT"),
        ("integrations", "SPANLOOM_INTEGRATIONS"),
    ):
        value = getattr(args, option)
        if value is not None:
            environ[variable] = value
    if args.dir is not None:
        environ["SPANLOOM_DIR"] = os.path.abspath(args.dir)
    if args.quiet:
        environ["SPANLOOM_RUN_QUIET"] = "1"
    if not with_root:
        environ.pop("SPANLOOM_RUN", None)
        environ.pop("SPANLOOM_RUN_CLAIM", None)
        environ["SPANLOOM_ROOT"] = "0"
        return None
    environ.pop("SPANLOOM_ROOT", None)
    around = environ.get("SPANLOOM_RUN")  # one `spanloom run` inside another: they share the root
    if around and os.path.exists(environ.get("SPANLOOM_RUN_CLAIM", "")):
        return around.partition("-")[0]
    incoming = _PARENT.fullmatch(environ.get("TRACEPARENT", "").strip().lower())
    trace_id = incoming[1] if incoming else secrets.token_hex(16)
    environ["SPANLOOM_RUN"] = f"{trace_id}-{secrets.token_hex(8)}"
    handle, environ["SPANLOOM_RUN_CLAIM"] = tempfile.mkstemp(prefix="spanloom-run-")
    os.close(handle)
    return trace_id


def unhookable(command: Sequence[str], program: str) -> str | None:
    """Why the start-up hook cannot work for this command, if so."""
    words = list(command[1:])
    name = os.path.basename(program)
    if not _PYTHON.fullmatch(name):
        try:
            with open(program, "rb") as file:
                line = file.read(256).split(b"\n")[0].decode("ascii", "replace")
        except OSError:
            return None
        if not line.startswith("#!"):
            return None
        words = line[2:].split()
        while words and not _PYTHON.fullmatch(os.path.basename(words[0])):
            del words[0]
        del words[:1]
    for word in words:
        if not re.fullmatch(r"-[A-Za-z]+", word):
            break
        letters = re.split("[cmWX]", word[1:])[0]
        for letter in letters:
            if letter in "SIE":
                return f"python -{letter} allows no start-up hook"
        if letters != word[1:]:
            break
    return None


def _not_found(name: str) -> int:
    if os.path.exists(name) and (os.sep in name or name in (os.curdir, os.pardir)):
        what = "is a directory" if os.path.isdir(name) else "is not executable"
        hint = "" if os.path.isdir(name) else f" (chmod +x {shlex.quote(name)})"
        return _fail(f"{name} {what}{hint}", 126)
    if name.endswith((".py", ".pyw", ".pyz")) or os.sep in name:
        return _fail(f"there is no file {name}", 127)
    return _fail(f"command not found: {name}", 127)


def _fail(message: str, status: int) -> int:
    _say(message)
    return status


def _say(message: str) -> None:
    print(f"spanloom: {message}", file=sys.stderr, flush=True)


def _summary(environ: Mapping[str, str], run_id: str | None, started_ns: int, claimed: bool) -> str:
    from spanloom import settings, store
    from spanloom.words import money, plural, tokens

    # without what is between us and the child, which the settings do not know
    own = ("SPANLOOM_RUN", "SPANLOOM_ROOT")
    loaded = settings.load(
        environ={name: value for name, value in environ.items() if not name.startswith(own)}
    )
    if loaded.disabled:
        return "recording is switched off (SPANLOOM_DISABLED); nothing was recorded"
    if "local" not in loaded.backends:
        where = ", ".join(map(str, loaded.backends)) or "no backend"
        return f"trace {run_id[:12]} went to {where}" if run_id else f"traces went to {where}"
    directory = loaded.dir
    option = "" if "dir" not in loaded.sources and not environ.get("SPANLOOM_DIR") else (
        f" --dir {shlex.quote(store.near(directory))}"
    )  # fmt: skip
    if os.environ.get("SPANLOOM_DIR") == environ.get("SPANLOOM_DIR"):
        option = ""  # the next command finds it the same way
    if run_id is None:
        found = store.traces(directory, limit=None, since_ns=started_ns)
        count = plural(len(found), "trace")
        command = "spanloom traces" + option
    else:
        try:
            found = [store.trace(directory, run_id).summary]
        except store.Unknown:
            found = []
        count = f"trace {run_id[:12]}"
        command = f"spanloom trace {run_id[:12]}{option}"
    if not found:
        if claimed or run_id is None:
            return f"nothing was recorded in {store.near(directory)}"
        return "nothing was recorded: no Python program with spanloom was started"
    facts = [count, plural(sum(trace.spans for trace in found), "span")]
    calls = sum(trace.totals.model_calls for trace in found)
    if calls:
        facts.append(plural(calls, "model call"))
    used = [
        n for t in found for n in (t.totals.input_tokens, t.totals.output_tokens) if n is not None
    ]
    if used:
        facts.append(f"{tokens(sum(used))} tokens")
    costs = [t.totals.cost_usd for t in found if t.totals.cost_usd is not None]
    if costs:
        unpriced = sum(t.totals.unpriced_calls for t in found)
        facts.append(money(sum(costs)) + (f" + {unpriced} unpriced" if unpriced else ""))
    errors = sum(trace.errors for trace in found)
    if errors:
        facts.append(plural(errors, "error"))
    open_ = sum(trace.open_spans for trace in found)
    if open_:
        facts.append(f"{open_} not ended")
    return f"{', '.join(facts)} in {store.near(directory)}; see: {command}"
