"""``spanloom cost`` and ``spanloom cost reprice``, over records of programs."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import spanloom
from spanloom import cli, record
from spanloom.types import Agent, Cost, LLMCall, Resource, Session, Span, Usage, Workflow

S = 1_000_000_000
NOW = time.time_ns() // S * S - 86_400 * S


def program(folder: Path) -> None:
    """Two agents of one feature, a call without a price, one that failed, one the provider priced."""
    spanloom.init(backends=["local"], integrations=[], dir=str(folder))

    def ask(model: str, input: int, output: int, **more: Any) -> None:
        with spanloom.llm_call(provider="openai", model=model) as call:
            call.record(usage={"input": input, "output": output, **more.pop("usage", {})}, **more)

    with spanloom.context(feature="search", user_tier="gold"), spanloom.session("s-1"):
        with spanloom.workflow("run"), spanloom.agent("planner"):
            ask("gpt-4o", 1000, 500, usage={"cached": 400})
            with spanloom.task("step"), spanloom.agent("writer"):
                ask("gpt-4o-mini", 10_000, 2_000)
    ask("gpt-99", 10, 10)
    ask("gpt-4o", 5, 5, cost={"total_usd": 0.25, "source": "provider"})
    with pytest.raises(TimeoutError), spanloom.llm_call(provider="openai", model="gpt-4o"):
        raise TimeoutError
    spanloom.shutdown()


@pytest.fixture
def cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs ``spanloom cost --json`` over ``tmp_path / "record"``."""

    def run(*words: str) -> Any:
        assert cli.main(["cost", *words, "--json", "--dir", str(tmp_path / "record")]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def usd(document: Any, key: str = "cost_usd") -> dict[str | None, Any]:
    return {row["key"]: row[key] for row in document["rows"]}


def test_by_whatever_one_asks(tmp_path: Path, cost: Callable[..., Any]) -> None:
    today = {time.strftime("%Y-%m-%d", time.gmtime())}
    program(tmp_path / "record")
    today.add(time.strftime("%Y-%m-%d", time.gmtime()))
    assert usd(cost()) == {"gpt-4o": 0.257, "gpt-4o-mini": 0.0027, "gpt-99": None}
    assert usd(cost("--by", "agent")) == {None: 0.25, "planner": 0.007, "writer": 0.0027}
    assert usd(cost("--by", "feature")) == {None: 0.25, "search": 0.0097}
    assert usd(cost("--by", "user_tier")) == {None: 0.25, "gold": 0.0097}
    assert usd(cost("--by", "session")) == {None: 0.25, "s-1": 0.0097}
    assert usd(cost("--by", "provider")) == {"openai": 0.2597}
    assert usd(cost("--by", "component")) == {
        None: 0.25, "output": 0.0062, "input": 0.003, "cached": 0.0005,
    }  # fmt: skip
    (day,) = usd(cost("--by", "day"))
    assert day in today
    document = cost()
    assert document["total"]["cost_usd"] == 0.2597
    assert document["total"]["model_calls"] == 5
    assert usd(document, "errors")["gpt-4o"] == 1
    assert document["prices"] == ["2026-11-10"]
    assert document["unpriced"] == {"no price is known for gpt-99 of openai": 1}


def test_since(tmp_path: Path, cost: Callable[..., Any]) -> None:
    program(tmp_path / "record")
    assert cost("--since", "1h")["total"]["model_calls"] == 5
    assert cost("--since", "2999-01-01")["rows"] == []
    assert cli.main(["cost", "--since", "soon"]) == 2


def test_what_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program(tmp_path / "record")
    assert cli.main(["cost", "--dir", str(tmp_path / "record")]) == 0
    told = capsys.readouterr().out
    lines = [line.split() for line in told.splitlines() if line]
    assert lines[1][0] == "gpt-4o"
    assert lines[-3][0] == "total"
    assert "$0.260+" in told, "with a sign that calls without a price come on top"
    assert "1 call without a price: no price is known for gpt-99 of openai" in told
    assert "prices  2026-11-10" in told


def test_nothing_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cost", "--dir", str(tmp_path / "none")]) == 0
    assert "There is no record" in capsys.readouterr().err
    assert cli.main(["cost", "--write"]) == 2


# -- reprice -----------------------------------------------------------------------------------


def dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def write(folder: Path, pid: int) -> Path:
    """A file that a process of that number left, with a field that a later version added."""
    resource = Resource(host=platform.node(), pid=pid)

    def span(id: int, detail: Any, parent: int | None = 1) -> Span:
        return Span(
            trace_id=7, span_id=id, parent_id=parent, name=f"s{id}", detail=detail, status="ok",
            integration="manual", start_ns=NOW, end_ns=NOW + S, resource=resource,
            session=Session(id="s"),
        )  # fmt: skip

    usage = Usage(input=1000, output=500)
    spans = [
        span(1, Workflow(), None),
        span(2, Agent(agent="a")),
        span(3, LLMCall(provider="openai", model="gpt-4o", usage=usage, cost=Cost(total_usd=9.0, source="prices", prices_date="2020-01-01"))),
        span(4, LLMCall(provider="openai", model="gpt-4o", usage=usage)),
        span(5, LLMCall(provider="openai", model="gpt-4o", usage=usage, cost=Cost(total_usd=1.0, source="provider"))),
    ]  # fmt: skip
    path = folder / "traces" / "2026-11-26" / f"{pid}-0123456789abcdef.jsonl"
    path.parent.mkdir(parents=True)
    lines = [record.encode(one) + b"\n" for one in spans]
    lines[3] = lines[3].replace(b'"v":1', b'"v":1,"later":{"x":[1,2]}', 1)
    path.write_bytes(b"".join(lines) + b'{"torn":')
    os.utime(path, ns=(NOW, NOW))
    return path


def test_reprice_shows_and_writes_nothing_unless_told(
    tmp_path: Path, cost: Callable[..., Any]
) -> None:
    path = write(tmp_path / "record", dead_process())
    before = path.read_bytes()
    document = cost("reprice")
    assert document["rows"] == [
        {"model": "gpt-4o", "calls": 3, "changed": 2, "before_usd": 10.0, "now_usd": 1.015}
    ]
    assert document["prices"] == ["genai-prices 0.2.3 of 2026-11-10"]
    assert (document["written"], path.read_bytes()) == (False, before)


def test_reprice_writes_costs_and_nothing_else(tmp_path: Path, cost: Callable[..., Any]) -> None:
    path = write(tmp_path / "record", dead_process())
    before = path.read_bytes().splitlines(keepends=True)
    assert cost("reprice", "--write")["files_written"] == 1
    after = path.read_bytes().splitlines(keepends=True)
    assert [i for i, line in enumerate(after) if line != before[i]] == [2, 3]
    new = json.loads(after[3])
    assert new["later"] == {"x": [1, 2]}, "what a later version wrote stays"
    assert new["detail"].pop("cost")["total_usd"] == 0.0075
    old = json.loads(before[3])
    assert new == old
    assert path.stat().st_mtime_ns == NOW, "readers go by the time of the last write"
    assert list(path.parent.iterdir()) == [path]
    assert cost()["total"]["cost_usd"] == 1.015
    assert cost("reprice", "--write")["files_written"] == 0, "again: nothing is left to change"


def test_reprice_leaves_files_in_use(tmp_path: Path, cost: Callable[..., Any]) -> None:
    path = write(tmp_path / "record", os.getpid())
    os.utime(path, ns=(NOW, NOW))
    living = path.read_bytes().replace(b'"start":"2', b'"start":"3')  # after our own start
    path.write_bytes(living)
    document = cost("reprice", "--write")
    assert document["files_in_use"] == [str(path)]
    assert path.read_bytes() == living


def test_reprice_with_own_prices(tmp_path: Path, cost: Callable[..., Any]) -> None:
    write(tmp_path / "record", dead_process())
    (tmp_path / "own.toml").write_text('[[model]]\nname = "gpt-4o"\ninput = 1\noutput = 1\n')
    document = cost("reprice", "--prices", str(tmp_path / "own.toml"))
    assert document["rows"][0]["now_usd"] == 1.003
