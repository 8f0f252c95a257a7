"""``spanloom demo``: agents on the real LangGraph, against a fake provider, and their recorded story."""

import importlib.util
import os
import secrets
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from spanloom import store
from spanloom.store import TraceSummary

from . import trace
from .traces import where

HERE = Path(__file__).parent.parent / "_demo"
_NEEDED = ("langgraph", "langchain_openai", "openai")
_INSTALL = 'pip install "spanloom[demo]"'
_READY_S = 30.0


def configure(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--dir", metavar="DIR", help="directory of the local record")
    add("--log", metavar="FILE", help="also write what the provider answered, as lines of JSON")


def main(args: Namespace) -> int:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        _complain(f"{', '.join(missing)} not installed; the demo needs: {_INSTALL}")
        return 1
    directory = os.path.abspath(where(args))
    environ = {k: v for k, v in os.environ.items() if k not in ("TRACEPARENT", "BAGGAGE")}
    # what the demo shows is the local record, whatever the settings here send elsewhere
    environ |= {"SPANLOOM_DIR": directory, "SPANLOOM_BACKENDS": "local", "SPANLOOM_DISABLED": "0",
                "PYTHONIOENCODING": "utf-8", "LANGSMITH_TRACING": "false"}  # fmt: skip
    thread = f"demo-{secrets.token_hex(4)}"
    started_ns = time.time_ns()
    with tempfile.TemporaryDirectory(prefix="spanloom-demo-") as scratch:
        log = os.path.abspath(args.log or os.path.join(scratch, "provider.jsonl"))
        begins = os.path.getsize(log) if os.path.exists(log) else 0
        with _provider(log, environ) as url:
            if url is None:
                _complain("the fake provider did not start")
                return 1
            environ |= {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "none-needed"}
            state = os.path.join(scratch, "conversation")
            for answer in ((), ("yes",)):
                words = [str(HERE / "program.py"), state, thread, *answer]
                print("$ spanloom run -- python", " ".join(["program.py", *words[2:]]), flush=True)
                command = ["-m", "spanloom", "run", "--quiet", "--", sys.executable, *words]
                if status := subprocess.call([sys.executable, *command], env=environ):
                    _complain(f"the program of the demo ended with status {status}")
                    return 1
        told = _told(log, begins)
    traces = [t for t in _traces(directory, started_ns) if t.session_id == thread]
    for found in traces:
        print(f"\n$ spanloom trace {found.trace_id[:12]}", flush=True)
        trace.main(Namespace(id=found.trace_id, dir=directory, json=False, content=False))
    if len(traces) != 2:
        _complain(f"{len(traces)} traces are in the record instead of 2; see: spanloom doctor")
        return 1
    print(f"\nthe provider says it answered: {told}")
    print(f"the conversation as one: spanloom session {thread}")
    print(f"the record is in {store.near(directory)}")
    return 0


def _complain(what: str) -> None:
    print(f"spanloom demo: {what}", file=sys.stderr)


@contextmanager
def _provider(log: str, environ: Mapping[str, str]) -> Generator[str | None]:
    """Its base URL, while it serves. A process of its own, as the command must stay free of it."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "provider.py"), log],
        env=dict(environ), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    try:
        yield process.stdout.readline().strip() or None
    finally:
        process.stdin.close()
        try:
            process.wait(_READY_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


class _Answer(Struct):
    usage: dict[str, Any] | None = None


class _Line(Struct):
    """Of the provider's log."""

    status: int
    answer: _Answer

    def tokens(self, name: str) -> int:
        found = (self.answer.usage or {}).get(name)
        return found if isinstance(found, int) else 0


def _told(log: str, begins: int) -> str:
    """The provider's own account, to hold against the record."""
    with open(log, "rb") as file:
        file.seek(begins)
        rows = msgspec.json.Decoder(_Line).decode_lines(file.read())
    refused = sum(row.status != 200 for row in rows)
    into = sum(row.tokens("prompt_tokens") for row in rows)
    out = sum(row.tokens("completion_tokens") for row in rows)
    return f"{len(rows) - refused} calls, {into} tokens in, {out} out; {refused} refused"


def _traces(directory: str, since_ns: int) -> list[TraceSummary]:
    """In the order of their start."""
    return store.traces(directory, limit=None, since_ns=since_ns)[::-1]
