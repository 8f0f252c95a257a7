"""G6 and C5 with real servers and workers: gunicorn, uvicorn, Celery, and two processes."""

import os
import signal
import socket
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import spanloom
from spanloom.testing import FakeProvider

from .conftest import Watched
from .programs import Programs, line, until

SERVED = Path(__file__).parent / "served"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def get(port: int, path: str = "/", **headers: str) -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=20) as response:
        text: str = response.read().decode()
        return text


def answers(port: int) -> bool:
    try:
        return get(port, "/health") == "ok"
    except OSError:
        return False


def path(record: Any) -> Any:
    """Which request a span is of: its name has only the method, since a path may name a person."""
    return record.attributes.get("url.path")


@pytest.mark.field("G6", "gunicorn with preload: master and workers deliver, each span once")
@pytest.mark.parametrize("worker", ["sync", "gthread"])
def test_gunicorn_preload(programs: Programs, provider: FakeProvider, worker: str) -> None:
    port = free_port()
    process = programs.command(
        sys.executable, "-m", "gunicorn", "--preload", "--workers=2", f"--worker-class={worker}",
        "--threads=2" if worker == "gthread" else "--threads=1", f"--bind=127.0.0.1:{port}",
        "--graceful-timeout=10", "wsgi:app",
        PYTHONPATH=SERVED,
    )  # fmt: skip
    until(lambda: answers(port))
    pids = Counter(get(port, f"/ask/{number}") for number in range(16))
    master = process.pid
    process.terminate()
    ran = programs.wait(process)
    assert ran.status == 0, ran.err
    assert "spanloom" not in ran.err
    kept = programs.kept()
    assert [r.resource.pid for r in kept.named("preloaded")] == [master]
    requests = [r for r in kept.ended.values() if r.kind == "workflow" and r.name != "preloaded"]
    assert {r.name for r in requests} == {"GET"}
    assert sorted(map(path, requests)) == sorted(f"/ask/{n}" for n in range(16))
    assert Counter(str(r.resource.pid) for r in requests) == pids
    assert str(master) not in pids
    above = {r.span_id: r for r in requests}
    calls = [c for c in kept.calls() if c.resource.pid != master]
    assert len(calls) == 16
    for call in calls:
        request = above.pop(call.parent_id or "")
        assert (call.trace_id, call.resource.pid) == (request.trace_id, request.resource.pid)
    assert len(kept.calls()) == 17 == len(provider.exchanges)
    assert len({r.trace_id for r in requests}) == 16
    assert not kept.open


@pytest.mark.field("G6", "a gunicorn worker that is aborted: the others and the rest deliver")
def test_gunicorn_worker_killed(programs: Programs, provider: FakeProvider) -> None:
    port = free_port()
    process = programs.command(
        sys.executable, "-m", "gunicorn", "--preload", "--workers=2",
        f"--bind=127.0.0.1:{port}", "wsgi:app", PYTHONPATH=SERVED,
    )  # fmt: skip
    until(lambda: answers(port))
    pids = {get(port, f"/ask/{number}") for number in range(8)}
    time.sleep(0.8)  # the last flush interval is what kill -9 may cost
    os.kill(int(min(pids)), signal.SIGKILL)
    until(lambda: answers(port))
    for number in range(8, 12):
        get(port, f"/ask/{number}")
    process.terminate()
    assert programs.wait(process).status == 0
    kept = programs.kept()
    paths = {path(r) for r in kept.ended.values()}
    assert {f"/ask/{n}" for n in range(12)} <= paths


@pytest.mark.field("G6", "Celery prefork, stopped warm: producer, master and workers deliver")
@pytest.mark.field("C5", "a task queue's worker joins the trace that its message names")
def test_celery_prefork(programs: Programs, provider: FakeProvider) -> None:
    for folder in ("queue", "results"):
        (programs.folder / folder).mkdir()
    around: dict[str, Any] = {"PYTHONPATH": SERVED, "QUEUE_DIR": programs.folder}
    process = programs.command(
        sys.executable, "-m", "celery", "--app=tasks", "worker", "--pool=prefork",
        "--concurrency=2", "--without-gossip", "--without-mingle", "--without-heartbeat",
        "--loglevel=WARNING", **around,
    )  # fmt: skip
    producer = programs.command(sys.executable, SERVED / "producer.py", "6", **around)
    made = programs.wait(producer)
    assert made.status == 0, made.err
    process.terminate()
    ran = programs.wait(process)
    assert ran.status == 0, ran.err
    assert "spanloom" not in ran.err
    kept = programs.kept()
    tasks = kept.named("answer")
    assert len(tasks) == 6
    assert len(kept.calls()) == 6 == len(provider.exchanges)
    assert {c.parent_id for c in kept.calls()} == {t.span_id for t in tasks}
    assert {str(t.resource.pid) for t in tasks} == set(made.out.split())
    assert process.pid not in {t.resource.pid for t in tasks}
    senders = {r.span_id: r for r in kept.named("send")}
    for task in tasks:
        sender = senders.pop(task.parent_id or "")
        assert task.trace_id == sender.trace_id
        assert task.session_id == sender.session_id is not None
    assert not kept.open


@pytest.mark.field("C5", "HTTP services: one trace over client, ASGI server and the calls it makes")
@pytest.mark.parametrize("server", ["asgi", "wsgi"])
def test_trace_over_http(
    programs: Programs, provider: FakeProvider, watched: Watched, server: str
) -> None:
    port = free_port()
    if server == "asgi":
        command = ["-m", "uvicorn", "--log-level=warning", f"--port={port}", "asgi:app"]
    else:
        command = [SERVED / "wsgi_server.py", str(port)]
    process = programs.command(sys.executable, *command, PYTHONPATH=SERVED)
    until(lambda: answers(port))
    with spanloom.session("s-9"), spanloom.workflow("client") as outer:
        headers = spanloom.inject({})
        assert set(headers) == {"traceparent", "baggage"}
        get(port, "/ask/1", **headers)
        get(port, "/stream/2", **headers)
    get(port, "/ask/3", traceparent="00-no-good-at-all", baggage="%%%")
    # the client has its answer before the server is done with the request
    until(lambda: "/ask/3" in map(path, programs.kept().ended.values()))
    process.terminate()
    programs.wait(process)
    kept = programs.kept()
    by_path = {path(r): r for r in kept.ended.values()}
    one, two, three = (by_path[p] for p in ("/ask/1", "/stream/2", "/ask/3"))
    for request in (one, two):
        assert (request.trace_id, request.parent_id) == (outer.trace_hex, outer.span_hex)
        assert (request.session_id, request.session_source) == ("s-9", "baggage")
        (call,) = [c for c in kept.calls() if c.parent_id == request.span_id]
        assert (call.trace_id, call.session_id) == (outer.trace_hex, "s-9")
        assert call.complete
        assert request.attributes["http.response.status_code"] == 200
        assert (request.end or "") >= (call.end or "")
    assert (three.parent_id, three.session_id) == (None, None)
    assert three.trace_id != outer.trace_hex
    assert watched.one(name="client").trace_id == outer.trace_id
    assert "/health" not in by_path


@pytest.mark.field("C5", "a subprocess that reads TRACEPARENT from its environment joins the trace")
def test_trace_through_the_environment(programs: Programs, watched: Watched) -> None:
    with spanloom.session("s-3"), spanloom.agent("starts") as outer:
        around = {key.upper(): value for key, value in spanloom.inject({}).items()}
    programs.run(
        """
        import os
        import openai, spanloom
        spanloom.init()
        with spanloom.extract(os.environ), openai.OpenAI() as client:
            with spanloom.task("by hand"):
                client.chat.completions.create(
                    model="gpt-4o", messages=[{"role": "user", "content": "hi"}]
                )
        """,
        **around,
    )
    path = programs.write(
        """
        import openai
        with openai.OpenAI() as client:
            client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "hi"}]
            )
    """,
        "plain.py",
    )
    process = programs.command(sys.executable, "-m", "spanloom", "run", path, **around)
    assert programs.wait(process).status == 0
    kept = programs.kept()
    assert {r.trace_id for r in kept.ended.values()} == {outer.trace_hex}
    for name in ("by hand", "plain.py"):
        top = kept.one(name)
        assert (top.parent_id, top.session_id) == (outer.span_hex, "s-3")
        (call,) = [c for c in kept.calls() if c.parent_id == top.span_id]
        assert call.session_id == "s-3"


@pytest.mark.field(
    "C5", "what came in goes out: state and baggage of the caller pass through", by="manual"
)
def test_pass_through(watched: Watched) -> None:
    incoming = {
        "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "vendor=1",
        "baggage": "session.id=s-1,tenant=blue%20sky",
    }
    with spanloom.extract(incoming), spanloom.task("step") as step:
        out = spanloom.inject({})
    assert out["traceparent"] == f"00-0af7651916cd43dd8448eb211c80319c-{step.span_hex}-01"
    assert out["tracestate"] == "vendor=1"
    assert set(out["baggage"].split(",")) == {"session.id=s-1", "tenant=blue%20sky"}
    span = watched.one(name="step")
    assert span.parent_id == 0xB7AD6B7169203331
    assert span.session
    assert (span.session.id, span.session.source) == ("s-1", "baggage")


def test_line_helper_reports_a_dead_program(programs: Programs) -> None:
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        line(programs.start("1 / 0"))
