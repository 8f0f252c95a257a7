"""The first trace: a program that knows nothing of spanloom, recorded as it was answered."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from spanloom.testing import Error, FakeProvider
from spanloom.testing.answers import Call

ROOT = Path(__file__).parents[3]
PROGRAM = ROOT / "examples" / "support.py"


def spanloom(*arguments: str, environ: dict[str, str], code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "spanloom", *arguments],
        env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done.stdout


def retired(call: Call) -> Error | None:
    return Error(404, code="model_not_found") if "retired" in call.params["model"] else None


def environment(tmp_path: Path, provider: FakeProvider) -> dict[str, str]:
    return os.environ | {
        "OPENAI_BASE_URL": provider.url,
        "OPENAI_API_KEY": "none",
        "SPANLOOM_DIR": str(tmp_path / "record"),
        "COLUMNS": "120",
    }


def detail(span: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = span["detail"]
    return found


def test_the_tree_is_what_the_server_answered(tmp_path: Path) -> None:
    """Names, parents and totals, of answers that are random on each run."""
    with FakeProvider() as provider:
        provider.on(
            lambda call: "retired" in str(call.params.get("model")), Error(404, code="gone")
        )
        environ = environment(tmp_path, provider)
        spanloom("run", "--quiet", "--", sys.executable, str(PROGRAM), environ=environ)
        document = json.loads(spanloom("trace", "last", "--json", environ=environ))
        text = spanloom("trace", "last", environ=environ)
        exchanges = provider.exchanges
    spans = [node["span"] for node in document["spans"]]
    (root,) = [s for s in spans if s["parent_id"] is None]
    assert (root["name"], root["kind"], root["status"]) == ("support.py", "workflow", "ok")
    calls = [s for s in spans if s is not root]
    assert {s["parent_id"] for s in calls} == {root["span_id"]}
    assert len(calls) == len(exchanges) == len({s["span_id"] for s in calls})

    wanted = Counter(
        (e.endpoint == "/embeddings", (e.json or {}).get("model"), e.answer.id or None, e.status)
        for e in exchanges
    )
    assert wanted == Counter(
        (
            s["kind"] == "embedding",
            detail(s)["model"],
            detail(s).get("response_id"),
            detail(s)["http_status"],
        )
        for s in calls
    )
    by_id = {detail(s)["response_id"]: s for s in calls if detail(s).get("response_id")}
    for exchange in exchanges:
        if not exchange.answer.id:
            continue
        span = by_id[exchange.answer.id]
        facts, found = exchange.answer, detail(span)
        assert found["response_model"] == facts.model
        assert found["finish"] == list(facts.finish_reasons)
        asked = [p for m in found["output"] for p in m["parts"] if p["type"] == "tool_request"]
        assert [(p["id"], p["name"]) for p in asked] == [(t.id, t.name) for t in facts.tool_calls]
        usage = facts.usage or {}
        assert found["usage"]["input"] == usage["prompt_tokens"]
        assert found["usage"]["output"] == usage["completion_tokens"]
        assert found.get("stream", False) == exchange.stream
        assert span["status"] == "ok"
    told = [e.answer.usage or {} for e in exchanges]
    assert document["trace"]["input_tokens"] == sum(u.get("prompt_tokens", 0) for u in told)
    assert document["trace"]["output_tokens"] == sum(u.get("completion_tokens", 0) for u in told)
    (failed,) = [s for s in calls if s["status"] == "error"]
    assert failed["error"]["type"] == "not_found"
    assert document["trace"]["errors"] == 1
    for word in (
        "workflow support.py",
        "embedding embeddings",
        "not found",
        ".jsonl",
        root["trace_id"],
    ):
        assert word in text


def test_the_demo_command_shows_tree_and_record(tmp_path: Path) -> None:
    """What README names beside the demo; the provider's account is its own."""
    environ = os.environ | {"SPANLOOM_DIR": str(tmp_path / "record"), "COLUMNS": "120"}
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "first_trace.py")],
        env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(spanloom("trace", "last", "--json", environ=environ))
    summary = document["trace"]
    account = done.stdout.strip().splitlines()[-1]
    assert account == (
        f"the provider says it answered: {summary['model_calls']} calls, "
        f"{summary['input_tokens']} tokens in, {summary['output_tokens']} out, "
        f"{summary['errors']} refused"
    )
    assert str(tmp_path / "record") in done.stdout
