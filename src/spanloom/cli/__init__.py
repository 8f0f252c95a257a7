"""The ``spanloom`` command.

Each command is a module of this package with ``configure(parser)`` and ``main(args) -> int``. Only
the module of the command that was asked for is imported, so that the others cost nothing.
"""

import importlib
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, cast


class Command(NamedTuple):
    module: str
    help: str


class Module(Protocol):
    def configure(self, parser: ArgumentParser, /) -> None: ...

    def main(self, args: Namespace, /) -> int: ...


COMMANDS: Mapping[str, Command] = {
    "run": Command("spanloom.cli.run", "run a program and record it, without changing its code"),
    "traces": Command("spanloom.cli.traces", "list what was recorded, newest first"),
    "trace": Command("spanloom.cli.trace", "show one trace: its tree, and the story of its agents"),
    "sessions": Command("spanloom.cli.sessions", "list the sessions, the one used last first"),
    "session": Command("spanloom.cli.session", "show one session over all its traces"),
    "cost": Command(
        "spanloom.cli.cost", "show what model calls cost: by model, agent, feature, ..."
    ),
    "reveal": Command(
        "spanloom.cli.reveal", "decrypt what was recorded encrypted, for those who hold the key"
    ),
    "doctor": Command(
        "spanloom.cli.doctor", "say what is recorded here, where to, and what is in the way"
    ),
    "demo": Command(
        "spanloom.cli.demo", "record agents on LangGraph, with no account, and show them"
    ),
}

_EPILOG = """\
examples:
  spanloom run app.py          record a run
  spanloom traces --since 1h   what ran in the last hour
  spanloom trace last          the newest trace
  spanloom session last        the conversation that was used last
  spanloom cost --by agent     where the money goes
  spanloom doctor              why is nothing recorded?
  spanloom COMMAND --help      the options of a command
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status. 2 is wrong use, 130 an interrupt."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        if words[1:] and words[0] == "help":
            return main([words[1], "--help"])
        print(_usage())
        return 0
    if words[0] in ("-V", "--version"):
        print(f"spanloom {version()}")
        return 0
    name = words.pop(0)
    if name not in COMMANDS:
        print(_unknown(name), file=sys.stderr)
        return 2
    module = cast("Module", importlib.import_module(COMMANDS[name].module))
    parser = ArgumentParser(prog=f"spanloom {name}", description=module.__doc__, allow_abbrev=False)
    parser.description = f"{COMMANDS[name].help[:1].upper()}{COMMANDS[name].help[1:]}."
    module.configure(parser)
    # `run` ends with the options of somebody else's program, which are not ours to read
    split = getattr(module, "split", None)
    ours, rest = split(words) if split else (words, None)
    try:
        args = parser.parse_args(ours)
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 2
    args.rest = rest
    try:
        status = module.main(args)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # `spanloom trace last | head`
        # what is still buffered would raise again when the interpreter closes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return 130


def version() -> str:
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("spanloom")
    except PackageNotFoundError:
        return "(not installed: runs from a source tree)"


def _usage() -> str:
    wide = max(map(len, COMMANDS))
    lines = [f"  {name:<{wide}}  {command.help}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: spanloom [--version] [--help] COMMAND ...",
            "",
            "commands:",
            *lines,
            "",
            _EPILOG[:-1],
        ]
    )


def _unknown(name: str) -> str:
    if name.startswith("-"):
        return f"spanloom: unknown option {name}. See: spanloom --help"
    if name.endswith(".py"):
        return f"spanloom: unknown command {name!r}. To run a program: spanloom run {name}"
    from difflib import get_close_matches

    near = get_close_matches(name.lower(), COMMANDS, n=1, cutoff=0.5)
    hint = f"Did you mean: spanloom {near[0]}" if near else f"There are: {', '.join(COMMANDS)}"
    return f"spanloom: unknown command {name!r}. {hint}"
