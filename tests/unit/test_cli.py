"""The `spanloom` command as its users meet it: real processes, real files."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import spanloom
from spanloom import record
from spanloom.cli import COMMANDS
from spanloom.cli import run as run_command
from spanloom.types import (
    Agent,
    Attempt,
    Cost,
    Error,
    Handoff,
    Link,
    LLMCall,
    Message,
    Score,
    Session,
    Span,
    Text,
    Tool,
    ToolRequest,
    Usage,
    Workflow,
)
from spanloom.words import clean, duration, money, tokens

SRC = str(Path(spanloom.__file__).parents[1])
BOOTSTRAP = run_command.BOOTSTRAP
BARE = os.path.realpath(sys.executable)
"""The interpreter behind the virtual environment: it has no spanloom but what a test gives it."""
TRACE = 0x4F2A << 112 | 0xCAFE
MS = 1_000_000


def environ(**more: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SPANLOOM_", "PYTHONWARNINGS", "TRACEPARENT", "VIRTUAL_ENV"))
    }
    path = os.pathsep.join([SRC, *filter(None, [kept.get("PYTHONPATH")])])
    return {**kept, "PYTHONPATH": path, "COLUMNS": "80", "NO_COLOR": "1", **more}


def cli(
    *words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, input: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "spanloom", *words],
        cwd=cwd, env=env or environ(), input=input, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A record with one agent run: a handoff, a failing tool, a span whose process died."""
    now = time.time_ns() - 60_000 * MS

    def span(
        id: int, parent: int | None, name: str, detail: Any, a: int, b: int | None, **k: Any
    ) -> Span:
        return Span(
            trace_id=TRACE, span_id=id, parent_id=parent, name=name, detail=detail,
            integration="manual", start_ns=now + a * MS, end_ns=None if b is None else now + b * MS,
            session=Session(id="chat-42"), **k,
        )  # fmt: skip

    question = Message(role="user", parts=(Text(text="Where is my\x1b[2J order?"),))
    answer = Message(role="assistant", parts=(ToolRequest(name="find", arguments={"id": 7}),))
    spans = [
        span(2, 1, "triage", Agent(agent="triage"), 10, 900),
        span(
            3, 2, "chat",
            LLMCall(
                model="gpt-x", usage=Usage(input=1200, output=30, cached=1024, reasoning=12),
                cost=Cost(total_usd=0.0123), stream=True, time_to_first_chunk_ns=310 * MS,
                finish=("tool_calls",), input=(question,), output=(answer,),
                attempts=(Attempt(number=1, reason="rate limit", http_status=429),),
            ),
            20, 800, events=(Score(time_ns=now, name="helpful", value=0.5),),
        ),
        span(4, 2, "handoff", Handoff(source="triage", target="billing", mechanism="tool_call"), 850, 850),
        span(5, 1, "billing", Agent(agent="billing"), 900, 2000, links=(Link(trace_id=TRACE, span_id=4),)),
        span(
            6, 5, "find", Tool(tool="find", input={"id": 7}), 950, 1000, status="error",
            error=Error(type="tool", message="no order 7", class_name="LookupError"),
        ),
        span(7, 5, "mail", Tool(tool="mail"), 1100, None, status="pending"),
        span(8, 0xDEAD, "late", Workflow(), 1200, 1300),
        span(1, None, "support request", Workflow(), 0, 2400),
    ]  # fmt: skip
    path = tmp_path / "rec" / "traces" / "2026-01-31" / "1-a.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join(record.encode(one) + b"\n" for one in spans))
    return tmp_path / "rec"


# --- the command itself -------------------------------------------------------------------------


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), ("help",)])
def test_help_names_every_command(words: Sequence[str]) -> None:
    done = cli(*words)
    assert done.returncode == 0
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)
    assert done.stderr == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command: str) -> None:
    assert f"usage: spanloom {command}" in cli(command, "--help").stdout


def test_version() -> None:
    assert cli("--version").stdout.startswith("spanloom ")


def test_an_unknown_command_is_corrected() -> None:
    done = cli("trcaes")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean: spanloom traces" in done.stderr
    assert "spanloom run app.py" in cli("app.py").stderr


def test_help_loads_nothing_that_it_does_not_need() -> None:
    code = "import sys; sys.argv = ['spanloom', '--help']; from spanloom.cli import main; main()"
    check = "; print([m for m in ('rich', 'argparse.rich', 'difflib') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code + check],
        env=environ(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.endswith("[]\n")


# --- traces and trace ---------------------------------------------------------------------------


def test_traces(folder: Path) -> None:
    done = cli("traces", "--dir", str(folder), "--since", "1h")
    assert (done.returncode, done.stderr) == (0, "")
    head, row = done.stdout.splitlines()
    assert head.split() == ["trace", "start", "name", "time", "calls", "tokens", "cost", "status"]
    assert row.startswith("4f2a0000 ")
    for word in ("support request", "2.40s", "1.2k→30", "$0.0123", "1 error"):
        assert word in row
    assert "\x1b" not in done.stdout


def test_traces_as_json(folder: Path) -> None:
    done = cli("traces", "--json", "--dir", str(folder))
    document = json.loads(done.stdout)
    assert document["v"] == 1
    [row] = document["traces"]
    assert row["trace_id"] == f"{TRACE:032x}"
    assert row["start"].endswith("Z")
    assert (row["duration_ns"], row["cost_usd"], row["errors"]) == (2400 * MS, 0.0123, 1)
    assert json.loads(cli("traces", "--json", "--dir", str(folder / "no")).stdout)["traces"] == []


@pytest.mark.parametrize(
    "wrong", [("--since", "soon"), ("--limit", "-1"), ("--limit", "x"), ("--lim", "1")]
)
def test_traces_refuses_what_it_does_not_understand(wrong: Sequence[str], folder: Path) -> None:
    done = cli("traces", *wrong, "--dir", str(folder))
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert wrong[0] in done.stderr


def test_trace_tells_everything_in_words(folder: Path) -> None:
    done = cli("trace", "4f2a", "--dir", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        "support request  1 error, 1 not ended", f"trace {TRACE:032x}", "session chat-42",
        "llm chat gpt-x", "1 attempt failed before (429)", "1.0k cached", "12 reasoning",
        "TTFT 310ms", "tool_calls", "asks for find", "handoff triage → billing  tool call",
        "from handoff triage → billing", "tool find ERROR  (id=7)",
        "! tool error (LookupError): no order 7", "tool mail NOT ENDED", "score helpful = 0.5",
        "parent 000000000000dead is not in this record", "1.2k→30", "$0.0123", "2.40s",
        "8 spans · 1 model call", "agents   1 triage ", "890ms 1.2k→30 $0.0123  1 call", " 2 billing ",
        "handoff triage → billing by tool call; control stayed with billing", "1-a.jsonl",
    ):  # fmt: skip
        assert words in done.stdout, words
    assert "Where is my" not in done.stdout
    assert all(
        len(line) <= 80 for line in done.stdout.splitlines() if not line.startswith("record")
    )


def test_trace_with_content_moves_no_cursor(folder: Path) -> None:
    done = cli("trace", "last", "--content", "--dir", str(folder))
    assert r"Where is my\x1b[2J order?" in done.stdout
    assert "asks for find(id=7)" in done.stdout
    assert "\x1b" not in done.stdout


def test_trace_in_plain_ascii_and_in_a_pipe_that_closes(folder: Path) -> None:
    done = cli("trace", "last", "--dir", str(folder), env=environ(PYTHONIOENCODING="ascii"))
    assert done.stdout.isascii()
    assert "handoff triage -> billing" in done.stdout
    command = f"{sys.executable} -m spanloom trace last --dir {folder} | true"
    done = subprocess.run(
        ["bash", "-c", command], env=environ(), capture_output=True, text=True, check=False
    )
    assert done.stderr == ""


def test_trace_as_json(folder: Path) -> None:
    document = json.loads(cli("trace", "last", "--json", "--dir", str(folder)).stdout)
    assert document["v"] == 1
    assert [(row["depth"], row["span"]["name"], row["open"], row["adrift"]) for row in document["spans"]] == [
        (0, "support request", None, None), (1, "triage", None, None), (2, "chat", None, None),
        (2, "handoff", None, None), (1, "billing", None, None), (2, "find", None, None),
        (2, "mail", "unknown", None), (0, "late", None, "missing"),
    ]  # fmt: skip
    for row in document["spans"]:
        record.decode(json.dumps(row["span"]).encode())
    assert [agent["agent"] for agent in document["agents"]] == ["triage", "billing"]


def test_trace_that_is_not_there(folder: Path) -> None:
    done = cli("trace", "beef", "--dir", str(folder))
    assert (done.returncode, done.stdout) == (1, "")
    assert "1 file read" in done.stderr
    assert "spanloom traces" in done.stderr


def test_unreadable_lines_are_said_on_stderr(folder: Path) -> None:
    with next(folder.glob("traces/*/*")).open("ab") as out:
        out.write(b"garbage\n")
    done = cli("traces", "--json", "--dir", str(folder))
    assert json.loads(done.stdout)["unreadable_lines"] == 1
    assert "1 line left out" in done.stderr


def test_the_directory_comes_from_the_environment(folder: Path) -> None:
    done = cli("trace", "last", env=environ(SPANLOOM_DIR=str(folder)))
    assert "support request" in done.stdout


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0, "0us"), (999_400, "999us"), (999_600, "1ms"), (999_600_000, "1.00s"), (9_996_000_000, "10.0s"),
     (59_960_000_000, "1m00s"), (3_600_000_000_000, "1h00m"), (180_000_000_000_000, "2d02h")],
)  # fmt: skip
def test_durations(ns: int, text: str) -> None:
    assert duration(ns) == text


def test_figures() -> None:
    assert [tokens(n) for n in (0, 999, 1000, 9_960, 999_600, 1_200_000)] == [
        "0", "999", "1.0k", "10k", "1.0M", "1.2M"
    ]  # fmt: skip
    assert [money(n) for n in (0, 1e-7, 0.0012, 0.25, 1234.5)] == [
        "$0", "<$0.0001", "$0.0012", "$0.250", "$1,234.50"
    ]  # fmt: skip
    assert clean("a\n\x1b[1m\u202eb\ud800") == r"a \x1b[1m\u202eb\ud800"


# --- run ----------------------------------------------------------------------------------------


def test_run_is_invisible(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import sys; print(sys.stdin.read(), sys.argv[1:]); print('e', file=sys.stderr); sys.exit(7)"
    )
    done = cli("run", "app.py", "--dir", "-q", "--", "x", cwd=tmp_path, input="hello")
    assert (done.returncode, done.stdout) == (7, "hello ['--dir', '-q', '--', 'x']\n")
    assert done.stderr.splitlines()[-1] == "e"


@pytest.mark.parametrize(
    "words", [["-m", "app", "1"], ["--", "app.py", "1"], ["-c", "print(['1'])"], ["pkg", "1"],
              [sys.executable, "app.py", "1"], ["--quiet", "--root", "--", sys.executable, "app.py", "1"]],
)  # fmt: skip
def test_run_takes_scripts_modules_and_commands(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "app.py").write_text("import sys; print(sys.argv[1:])")
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__main__.py").write_text("import sys; print(sys.argv[1:])")
    assert cli("run", *words, cwd=tmp_path).stdout == "['1']\n"


def test_run_of_what_cannot_run(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    (tmp_path / "script").write_text("#!/no/such/interpreter\n")
    (tmp_path / "script").chmod(0o755)
    for words, status, said in (
        (["no-such-command"], 127, "command not found: no-such-command"),
        (["gone.py"], 127, "there is no file gone.py"),
        (["./plain"], 126, "not executable (chmod +x ./plain)"),
        (["./script"], 126, "interpreter in its first line is missing"),
        (["."], 126, "is a directory"),
        ([], 2, "no command is given"),
        (["--content", "some", "x"], 2, "--content"),
        (["--contnt", "x"], 2, "--contnt"),
    ):
        done = cli("run", *words, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (status, ""), words
        assert said in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGABRT, signal.SIGPIPE])
def test_run_dies_of_what_its_child_died_of(number: signal.Signals, tmp_path: Path) -> None:
    code = (
        f"import os, signal; signal.signal({number:d}, signal.SIG_DFL)"
        if number != 9
        else "import os"
    )
    done = cli("run", "-c", f"{code}; os.kill(os.getpid(), {number:d})", cwd=tmp_path)
    assert done.returncode == -number
    assert not list(tmp_path.glob("core*"))


# os.write: a handler that comes while `print` still flushes may not print, which is an error there
WAITS = """
import os, signal, sys, time
def say(word):
    os.write(1, f"{word}\\n".encode())
def got(number, frame):
    say(signal.Signals(number).name)
    if number == signal.SIGTERM:
        sys.exit(3)
for name in ("SIGINT", "SIGHUP", "SIGUSR1", "SIGQUIT", "SIGTERM"):
    signal.signal(getattr(signal, name), got)
say("ready")
while True:
    time.sleep(0.05)
"""


def test_run_passes_signals_on(tmp_path: Path) -> None:
    """Without a terminal nobody else sends them to the child: SIGINT goes through too."""
    with subprocess.Popen(
        [sys.executable, "-m", "spanloom", "run", "-c", WAITS],
        env=environ(), cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for name in ("SIGUSR1", "SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM"):
            process.send_signal(getattr(signal, name))
            assert process.stdout.readline() == f"{name}\n"
        assert process.wait(30) == 3


def test_run_keeps_ignored_signals_ignored(tmp_path: Path) -> None:
    code = "import signal; print(signal.getsignal(signal.SIGHUP), signal.getsignal(signal.SIGTERM))"
    python = sys.executable  # with -I: our own handlers are not what is looked for
    command = f"trap '' HUP; exec {python} -m spanloom run -q {python} -I -c '{code}'"
    done = subprocess.run(
        ["bash", "-c", command],
        env=environ(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1 0\n"


class Terminal:
    """A process on a terminal of its own, of which it is the foreground group."""

    def __init__(self, words: Sequence[str], cwd: Path) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execve(sys.executable, [sys.executable, "-m", "spanloom", *words], environ())
        self.text = ""

    def until(self, word: str) -> None:
        end = time.monotonic() + 30
        while word not in self.text:
            assert time.monotonic() < end, self.text
            self.read()

    def read(self) -> bool:
        if select.select([self.fd], [], [], 0.2)[0]:
            try:
                data = os.read(self.fd, 4096)
            except OSError:
                return False
            self.text += data.decode()
            return bool(data)
        return True

    def end(self) -> int:
        while self.read():
            pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_run_on_a_terminal_gets_one_interrupt_and_says_one_line(tmp_path: Path) -> None:
    terminal = Terminal(["run", "-c", WAITS], tmp_path)
    terminal.until("ready")
    os.write(terminal.fd, b"\x03")
    terminal.until("SIGINT")
    time.sleep(0.3)
    os.kill(terminal.pid, signal.SIGTERM)
    assert terminal.end() == 3
    assert terminal.text.count("SIGINT") == 1
    assert terminal.text.count("SIGTERM") == 1
    assert terminal.text.rstrip().splitlines()[-1].startswith("spanloom: ")


def test_run_on_a_terminal_stops_with_its_child(tmp_path: Path) -> None:
    stops = "import os; print('go', flush=True); os.kill(os.getpid(), 19); print('on', flush=True)"
    terminal = Terminal(["run", "-q", "-c", stops.replace("19", f"{signal.SIGSTOP:d}")], tmp_path)
    terminal.until("go")
    _, status = os.waitpid(terminal.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    os.kill(terminal.pid, signal.SIGCONT)
    assert terminal.end() == 0
    assert "on" in terminal.text


def test_run_off_a_terminal_says_nothing_unless_asked(tmp_path: Path) -> None:
    quiet = environ(SPANLOOM_RUN_QUIET="1", SPANLOOM_DISABLED="1")
    assert cli("run", "-c", "", cwd=tmp_path, env=quiet).stderr == ""
    assert "switched off" in cli("run", "--summary", "-c", "", cwd=tmp_path, env=quiet).stderr


def test_run_says_when_python_cannot_be_hooked(tmp_path: Path) -> None:
    for flags in (["-I"], ["-uS"], ["-E"]):
        done = cli("run", sys.executable, *flags, "-c", "print(1)", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, "1\n")
        assert done.stderr.count("allows no start-up hook") == 1
    assert cli("run", "-q", sys.executable, "-I", "-c", "", cwd=tmp_path).stderr == ""
    script = tmp_path / "tool"
    script.write_text(f"#!{sys.executable} -I\nprint(1)\n")
    script.chmod(0o755)
    assert "start-up hook" in cli("run", "./tool", cwd=tmp_path).stderr


SHOW = "import json, os; print(json.dumps({k: v for k, v in os.environ.items()}))"


def child_environ(*options: str, env: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """What a program that is not hooked finds in its environment."""
    done = cli("run", "-q", *options, sys.executable, "-I", "-c", SHOW, env=env, cwd=cwd)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_run_puts_options_into_the_environment(tmp_path: Path) -> None:
    found = child_environ(
        "--backends", "memory", "--service=shop", "--content", "none", "--dir", "rec",
        "--integrations", "openai", env=environ(), cwd=tmp_path,
    )  # fmt: skip
    assert found["PYTHONPATH"].split(os.pathsep) == [
        BOOTSTRAP,
        *environ()["PYTHONPATH"].split(os.pathsep),
    ]
    assert found["SPANLOOM_BACKENDS"] == "memory"
    assert found["SPANLOOM_SERVICE_NAME"] == "shop"
    assert found["SPANLOOM_CONTENT"] == "none"
    assert found["SPANLOOM_DIR"] == str(tmp_path / "rec")
    assert found["SPANLOOM_INTEGRATIONS"] == "openai"
    trace, _, own = found["SPANLOOM_RUN"].partition("-")
    assert (len(trace), len(own)) == (32, 16)
    assert "SPANLOOM_ROOT" not in found
    assert not os.path.exists(found["SPANLOOM_RUN_CLAIM"])  # nothing is left behind


def test_run_joins_an_incoming_trace(tmp_path: Path) -> None:
    env = environ(TRACEPARENT=f"00-{'a' * 32}-{'b' * 16}-01")
    found = child_environ(env=env, cwd=tmp_path)
    assert found["SPANLOOM_RUN"].startswith("a" * 32 + "-")
    assert not found["SPANLOOM_RUN"].endswith("b" * 16)
    env["TRACEPARENT"] = f"00-{'0' * 32}-{'b' * 16}-01"
    assert not child_environ(env=env, cwd=tmp_path)["SPANLOOM_RUN"].startswith("0" * 32)


def test_run_without_a_root(tmp_path: Path) -> None:
    found = child_environ("--no-root", env=environ(), cwd=tmp_path)
    assert found["SPANLOOM_ROOT"] == "0"
    assert "SPANLOOM_RUN" not in found
    assert "SPANLOOM_RUN_CLAIM" not in found


@pytest.mark.parametrize(
    ("line", "server"),
    [
        ("uvicorn app:app", True), ("/x/bin/gunicorn app", True), ("python -m uvicorn app:app", True),
        ("python -X dev -m celery -A app worker", True), ("uv run streamlit run app.py", True),
        ("env A=1 python manage.py runserver", True), ("-m flask run", True), ("jupyter lab", True),
        ("manage.py migrate", False), ("app.py", False), ("python app.py uvicorn", False),
        ("python -c uvicorn", False), ("pytest -k flask", False), ("bash -c flask", False),
    ],
)  # fmt: skip
def test_known_servers_get_no_root(line: str, server: bool) -> None:
    assert run_command.is_server(line.split()) is server


# --- the start-up hook --------------------------------------------------------------------------

API = """
import os, sys
def start_from_environment():
    print("started", os.environ.pop("SPANLOOM_RUN", None), os.environ.get("TRACEPARENT"))
"""


def hooked(
    tmp_path: Path, *words: str, user: str | None = None, api: str | None = API, **env: str
) -> subprocess.CompletedProcess[str]:
    """A Python that has the hook on its path, a stand-in for our package, and a user's own hook."""
    path = [BOOTSTRAP]
    if api is not None:
        package = tmp_path / "lib" / "spanloom"
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").touch()
        (package / "start.py").write_text(api)
        path.append(str(tmp_path / "lib"))
    if user is not None:
        (tmp_path / "user").mkdir(exist_ok=True)
        (tmp_path / "user" / "sitecustomize.py").write_text(user)
        path.append(str(tmp_path / "user"))
    return subprocess.run(
        [BARE, *words],
        env={**environ(), "PYTHONPATH": os.pathsep.join(path), **env},
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_hook_starts_before_the_program(tmp_path: Path) -> None:
    done = hooked(tmp_path, "-c", "print('program')", SPANLOOM_RUN="t-s")
    assert (done.stdout, done.stderr) == ("started t-s None\nprogram\n", "")


def test_hook_chains_to_the_users_own_and_leaves_no_trace(tmp_path: Path) -> None:
    program = (
        "import os, sys, sitecustomize; print(sitecustomize.mine, sitecustomize.__file__);"
        "print([p for p in sys.path if 'bootstrap' in p], os.environ['PYTHONPATH'].count('bootstrap'))"
    )
    done = hooked(tmp_path, "-c", program, user="mine = 1; print('user')")
    assert done.stdout.splitlines() == [
        "user", "started None None", f"1 {tmp_path}/user/sitecustomize.py", "[] 1"
    ]  # fmt: skip
    assert done.stderr == ""


def test_hook_lets_the_users_own_fail_as_before(tmp_path: Path) -> None:
    broken = "raise ValueError('mine')"
    done = hooked(tmp_path, "-c", "print('program')", user=broken)
    assert done.stdout == "started None None\nprogram\n"
    (tmp_path / "user" / "sitecustomize.py").write_text(broken)
    plain = subprocess.run(
        [BARE, "-c", ""],
        env={**environ(), "PYTHONPATH": str(tmp_path / "user")}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stderr == plain.stderr
    assert "ValueError: mine" in done.stderr


def test_hook_without_spanloom_lets_the_program_run(tmp_path: Path) -> None:
    program = "import subprocess, sys; print(1, flush=True); subprocess.run([sys.executable, '-c', 'print(2)'])"
    done = hooked(tmp_path, "-c", program, api=None)
    assert (done.returncode, done.stdout) == (0, "1\n2\n")
    assert done.stderr.count("spanloom: not importable by") == 1
    assert done.stderr.count("\n") == 1
    assert hooked(tmp_path, "-c", "", api=None, SPANLOOM_RUN_QUIET="1").stderr == ""


@pytest.mark.parametrize(
    "api", ["import no_such_module", "1 +", "def start_from_environment(): 1 / 0"]
)
def test_hook_survives_a_broken_spanloom(tmp_path: Path, api: str) -> None:
    done = hooked(tmp_path, "-c", "print('program')", api=api)
    assert (done.returncode, done.stdout) == (0, "program\n")
    assert done.stderr.startswith("spanloom: cannot start (")
    assert done.stderr.count("\n") == 1


def test_one_process_alone_takes_the_root(tmp_path: Path) -> None:
    claim = tmp_path / "claim"
    claim.touch()
    env = {"SPANLOOM_RUN": "t-s", "SPANLOOM_RUN_CLAIM": str(claim)}
    assert hooked(tmp_path, "-c", "", **env).stdout == "started t-s None\n"
    assert hooked(tmp_path, "-c", "", **env).stdout == "started None 00-t-s-01\n"


def test_hook_leaves_launchers_alone(tmp_path: Path) -> None:
    (tmp_path / "poetry").write_text("print('launcher')")
    claim = tmp_path / "claim"
    claim.touch()
    done = hooked(tmp_path, "poetry", SPANLOOM_RUN="t-s", SPANLOOM_RUN_CLAIM=str(claim))
    assert (done.stdout, done.stderr) == ("launcher\n", "")
    assert claim.exists()
