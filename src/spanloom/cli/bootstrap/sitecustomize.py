"""Start-up hook of ``spanloom run``: Python imports it before the program.

It may run under any interpreter that the program starts, with or without spanloom and as old as
Python 2, so it is written in what all of them understand. It must not stop the program whatever
goes wrong. A ``sitecustomize`` of the user's own, further down the path, is imported first.
"""

import importlib
import os
import sys

# Programs that only start another one; what they are started for is recorded, not they.
_LAUNCHERS = (
    "spanloom", "poetry", "pdm", "hatch", "pipenv", "rye", "pipx", "uv", "pip", "pip3", "conda",
    "mamba", "tox", "nox", "virtualenv", "honcho", "watchfiles", "supervisord",
)  # fmt: skip


def _same(a, b):
    # type: (str, str) -> bool
    return os.path.normcase(os.path.abspath(a)) == os.path.normcase(os.path.abspath(b))


def _chain():
    # type: () -> None
    """Import the module that would have been found without us."""
    here = os.path.dirname(os.path.abspath(__file__))
    own = sys.modules.pop(__name__)
    sys.path[:] = [entry for entry in sys.path if not _same(entry or os.curdir, here)]
    try:
        importlib.import_module("sitecustomize")
    except ImportError as exc:
        missing = getattr(exc, "name", None) or str(exc).split()[-1]
        if missing != "sitecustomize":
            raise
    finally:
        # the import that brought us here looks its module up under this name
        sys.modules.setdefault(__name__, own)


def _program():
    # type: () -> str
    """What this process runs: the name of a script or module; empty where it cannot be known."""
    words = list(getattr(sys, "orig_argv", ()))[1:]  # type: list[str]
    while words:
        word = words.pop(0)
        if word == "-c":
            return ""
        if word == "-m":
            return words[0].split(".")[0] if words else ""
        if word in ("-W", "-X", "--check-hash-based-pycs"):
            words = words[1:]
        elif not word.startswith("-"):
            name = os.path.basename(word).lower()
            return name[:-4] if name.endswith(".exe") else name
    return ""


def _claim():
    # type: () -> None
    """Let one process alone take the root span that the command gave out; others join it."""
    run = os.environ.get("SPANLOOM_RUN")
    claim = os.environ.pop("SPANLOOM_RUN_CLAIM", None)
    if not run or not claim:
        return
    try:
        os.unlink(claim)
    except OSError:
        os.environ.pop("SPANLOOM_RUN")
        os.environ.setdefault("TRACEPARENT", "00-%s-01" % run)


def _start():
    # type: () -> None
    if _program() in _LAUNCHERS:
        return
    try:
        from spanloom import start
    except ImportError as exc:
        missing = getattr(exc, "name", None) or "spanloom"
        if missing.split(".")[0] == "spanloom":
            _say("not importable by %s; what it runs is not recorded" % sys.executable)
        else:
            _say("cannot start (%s); the program runs unrecorded" % exc)
        return
    _claim()
    start.start_from_environment()


def _say(message):
    # type: (str) -> None
    """One line, once for a whole tree of processes."""
    if os.environ.get("SPANLOOM_RUN_QUIET") != "1":
        os.environ["SPANLOOM_RUN_QUIET"] = "1"
        sys.stderr.write("spanloom: %s\n" % message)


try:
    _chain()
finally:
    # Where the user's module raised it does so as without us, and we start all the same.
    try:
        _start()
    except Exception as _exc:
        if os.environ.get("SPANLOOM_STRICT") == "1":
            raise
        _say("cannot start (%s); the program runs unrecorded" % type(_exc).__name__)
