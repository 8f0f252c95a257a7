"""``spanloom demo``: its story must be what the provider was told to answer, other figures each time."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from spanloom import cli
from spanloom.cli import demo


class Shown(NamedTuple):
    text: str
    asking: dict[str, Any]
    going_on: dict[str, Any]
    exchanges: list[dict[str, Any]]
    """What the provider says that it answered, in that order."""


def spanloom(*words: str, environ: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "spanloom", *words],
        env=environ, capture_output=True, encoding="utf-8", timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """One run of it, which all tests look at."""
    path = tmp_path_factory.mktemp("demo")
    environ = os.environ | {
        "SPANLOOM_DIR": str(path / "record"),
        "PYTHONWARNINGS": "ignore::DeprecationWarning",
        "PYTHONIOENCODING": "utf-8",
        "COLUMNS": "200",
    }
    text = spanloom("demo", "--log", str(path / "log"), environ=environ)
    found = json.loads(spanloom("traces", "--json", environ=environ))["traces"]
    second, first = (
        json.loads(spanloom("trace", row["trace_id"], "--json", environ=environ)) for row in found
    )
    lines = [json.loads(line) for line in (path / "log").read_text("utf-8").splitlines()]
    return Shown(text, first, second, lines)


def spans(document: dict[str, Any], kind: str | None = None) -> list[dict[str, Any]]:
    """By their start."""
    found = [node["span"] for node in document["spans"]]
    return sorted((s for s in found if kind in (None, s["kind"])), key=lambda s: s["start"])


def both(shown: Shown, kind: str) -> list[dict[str, Any]]:
    return spans(shown.asking, kind) + spans(shown.going_on, kind)


def answered(shown: Shown) -> list[dict[str, Any]]:
    return [e["answer"] for e in shown.exchanges if e["status"] == 200]


def asked_for(shown: Shown) -> list[tuple[str, str, Any]]:
    """The tools that the provider asked for, in order."""
    return [
        (call["name"], call["id"], json.loads(call["arguments"]))
        for answer in answered(shown)
        for call in answer["tool_calls"]
    ]


def test_two_connected_traces(shown: Shown) -> None:
    for document in (shown.asking, shown.going_on):
        found = spans(document)
        assert {node["adrift"] for node in document["spans"]} == {None}
        assert {node["open"] for node in document["spans"]} == {None}
        assert [s["name"] for s in found if s["parent_id"] is None] == ["program.py"]
        assert {s["status"] for s in found} == {"ok"}
    assert shown.asking["trace"]["trace_id"] != shown.going_on["trace"]["trace_id"]
    assert shown.asking["trace"]["session_id"] == shown.going_on["trace"]["session_id"]


def test_agents_and_handoffs_with_both_ends(shown: Shown) -> None:
    """Who acts is told by nothing but the provider's answers: each names the next agent."""
    passed = [
        (name.removeprefix("transfer_to_"), arguments)
        for name, _, arguments in asked_for(shown)
        if name.startswith("transfer_to_")
    ]
    order = ["supervisor", *(to for to, _ in passed)]
    assert order == ["supervisor", "researcher", "supervisor", "writer", "supervisor"]
    steps = [s["agent"] for s in shown.asking["story"]["steps"]]
    again = [s["agent"] for s in shown.going_on["story"]["steps"]]
    assert (steps, again) == (order[:4], order[3:])  # the writer waits, and goes on
    told = []
    for document in (shown.asking, shown.going_on):
        agent = {s["span_id"]: s["agent"] for s in document["story"]["steps"]}
        for handoff in document["story"]["handoffs"]:
            assert agent[handoff["giver"]] == handoff["source"]
            assert agent[handoff["receiver"]] == handoff["target"]
            assert handoff["outcome"] == "accepted"
            told.append((handoff["source"], handoff["target"], handoff["reason"]))
    wanted = zip(order, passed, strict=False)
    assert told == [(source, to, arguments["reason"]) for source, (to, arguments) in wanted]
    assert shown.asking["story"]["handoffs"][0]["returned"] is True


def test_tools_by_the_ids_of_the_calls(shown: Shown) -> None:
    ran = {}
    for span in both(shown, "tool"):
        if span.get("ended_by") != "interrupt":
            ran[span["detail"]["call_id"]] = (span["name"], span["detail"]["input"])
    wanted = {id: (name, arguments) for name, id, arguments in asked_for(shown)}
    assert ran == wanted
    waiting = [s["name"] for s in both(shown, "tool") if s.get("ended_by") == "interrupt"]
    assert waiting == ["publish"]


def test_calls_and_tokens(shown: Shown) -> None:
    calls = both(shown, "llm")
    wanted = [
        (a["id"], a["usage"]["prompt_tokens"], a["usage"]["completion_tokens"])
        for a in answered(shown)
    ]
    told = [
        (s["detail"]["response_id"], s["detail"]["usage"]["input"], s["detail"]["usage"]["output"])
        for s in calls
    ]
    assert told == wanted
    summaries = (shown.asking["trace"], shown.going_on["trace"])
    assert sum(s["model_calls"] for s in summaries) == len(wanted) == 9
    assert sum(s["input_tokens"] for s in summaries) == sum(n for _, n, _ in wanted)
    assert sum(s["output_tokens"] for s in summaries) == sum(n for *_, n in wanted)
    by_agent = shown.asking["agents"]
    assert sum(a["input_tokens"] for a in by_agent) == shown.asking["trace"]["input_tokens"]


def test_the_retry_and_the_stream(shown: Shown) -> None:
    refused = [n for n, e in enumerate(shown.exchanges) if e["status"] != 200]
    assert [shown.exchanges[n]["status"] for n in refused] == [429]
    after = shown.exchanges[refused[0] + 1]["answer"]["id"]
    (retried,) = [s for s in both(shown, "llm") if s["detail"].get("attempts")]
    assert [a["http_status"] for a in retried["detail"]["attempts"]] == [429]
    assert retried["detail"]["response_id"] == after
    (streamed,) = [e["answer"] for e in shown.exchanges if e["stream"]]
    (span,) = [s for s in both(shown, "llm") if s["detail"].get("stream")]
    assert span["detail"]["response_id"] == streamed["id"]
    assert streamed["text"] in json.dumps(span["detail"]["output"], ensure_ascii=False)
    (tool,) = [s for s in spans(shown.asking) if s["span_id"] == span["parent_id"]]
    assert tool["name"] == "draft"


def test_the_pause_is_joined_to_its_resume(shown: Shown) -> None:
    first, second = shown.asking["trace"]["trace_id"], shown.going_on["trace"]["trace_id"]
    (pause,) = shown.asking["story"]["pauses"]
    assert (pause["at"], pause["resumed_in"]) == ("publish", [second])
    links = [(k["trace_id"], k["reason"], k["backward"]) for k in shown.going_on["story"]["linked"]]
    assert links == [(first, "resume", True)]
    assert f"resumed in trace {second[:12]}" in shown.text
    assert f"resumes trace {first[:12]}" in shown.text


def test_what_is_printed(shown: Shown) -> None:
    used = [a["usage"] for a in answered(shown)]
    assert (
        f"the provider says it answered: {len(used)} calls, "
        f"{sum(u['prompt_tokens'] for u in used)} tokens in, "
        f"{sum(u['completion_tokens'] for u in used)} out; 1 refused"
    ) in shown.text
    told = re.findall(r"handoff (\w+) → (\w+) by tool call", shown.text)
    assert told == [
        ("supervisor", "researcher"), ("researcher", "supervisor"),
        ("supervisor", "writer"), ("writer", "supervisor"),
    ]  # fmt: skip
    session = shown.asking["trace"]["session_id"]
    assert f"spanloom session {session}" in shown.text
    assert Path(shown.asking["files"][0]).name in shown.text
    assert "the record is in " in shown.text


def test_the_answers_are_other_ones_each_time(shown: Shown, tmp_path: Path) -> None:
    """The script alone, twice: what is random must not hang on a seed."""
    import openai

    told = set()
    for n in range(2):
        process = subprocess.Popen(
            [sys.executable, str(demo.HERE / "provider.py"), str(tmp_path / f"{n}")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        with openai.OpenAI(base_url=process.stdout.readline().strip(), api_key="any") as client:
            reply = client.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": "Hi"}]
            )
        process.stdin.close()
        assert process.wait(20) == 0
        process.stdout.close()
        assert reply.usage is not None
        told.add((reply.id, reply.usage.prompt_tokens, reply.usage.completion_tokens))
    assert len(told) == 2


def test_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "_NEEDED", ("openai", "no_such_package"))
    assert cli.main(["demo"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "spanloom demo: no_such_package not installed; the demo needs: "
        'pip install "spanloom[demo]"\n'
    )
