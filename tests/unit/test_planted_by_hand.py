"""A key and a card in all that a program tells spanloom by hand, wrong use included, and in what it runs as."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import spanloom

from ..planting import Plants, Watch, written

Say = Callable[[str], str]


class Broken(Exception):
    pass


def by_hand(say: Say) -> None:
    @spanloom.tool(name=say("tool"), description=say("description"))
    def pays(card: str, *rest: Any, **named: Any) -> dict[str, Any]:
        kept = say("in a local variable")
        spanloom.event(say("event"), **{say("key of an event"): say("in an event")})
        spanloom.set_attributes({say("attribute"): [say("in an attribute"), {"k": say("deep")}]})
        if named.get("fails"):
            try:
                raise KeyError(say("cause"))
            except KeyError as cause:
                raise Broken(say("message"), {"k": kept}) from cause
        return {say("key of a result"): say("result"), "bytes": say("bytes").encode()}

    @spanloom.span("streams", kind="task")
    def streams() -> Any:
        text = say("split over chunks")
        yield from (text[at : at + 5] for at in range(0, len(text), 5))

    around = spanloom.context(
        user=say("user"), user_tier=say("tier"), feature=say("feature"), request_id=say("request"),
        tags=[say("tag")], baggage={"note": say("baggage"), say("key of baggage"): "x"},
        about=say("metadata"),
    )  # fmt: skip
    with spanloom.session(say("session"), user=say("its user"), tags=[say("its tag")]), around:
        with spanloom.agent(say("agent"), role=say("role"), model=say("model")) as agent:
            pays(say("argument"), say("more"), named=say("named"))
            with pytest.raises(Broken):
                pays(say("argument"), fails=True)
            list(streams())
            spanloom.handoff(
                say("giver"), say("taker"), mechanism=say("mechanism"), reason=say("reason"),
                payload={say("key"): say("payload")}, outcome="refused",
            )  # fmt: skip
            spanloom.score(say("score"), say("value"), comment=say("comment"))
            spanloom.score(say("score"), 1, session=say("judged session"))
            spanloom.feedback(say("feedback"), comment=say("comment"))
            agent.record(input=say("input"), output={say("key"): [say("output")]})
        calls: dict[str, Any] = {
            "model": say("model"), "provider": say("provider"), "tools": [{"name": say("tool")}],
            "input": [{"role": say("role"), "content": say("content")}], "finish": [say("finish")],
            "params": {say("parameter"): say("value")}, "cost": {"reason": say("reason")},
        }  # fmt: skip
        with spanloom.llm_call(**calls) as call:
            said = [{"parts": [{"type": "tool_request", "name": say("t"), "arguments": say("a")}]}]
            call.record(output=[{"role": "assistant", "content": said}], response_id=say("id"))
        with spanloom.retrieval(
            say("search"), query=say("query"), filter={"k": say("filter")}
        ) as r:
            found = {"content": say("found"), "id": say("id"), "metadata": {say("m"): say("n")}}
            r.record(documents=[found])
        for kind in ("workflow", "memory", "guardrail", "evaluation", "plan", "mcp", "embedding"):
            with spanloom.span(say(kind), kind=kind, input=say("in"), **{say("own"): say("x")}):
                pass
        with pytest.raises(ExceptionGroup), spanloom.task("group"):
            raise ExceptionGroup(say("group"), [Broken(say("one")), ValueError(say("two"))])
        with spanloom.task("interrupted"), contextlib.suppress(BaseException):
            raise KeyboardInterrupt(say("interrupt"))


def wrongly(say: Say) -> None:
    """What is said of wrong use names what was given."""
    wrong: Any = spanloom
    spanloom.event(say("outside of any span"))
    spanloom.score(say("without a target"), 1)
    with spanloom.session(""), spanloom.context(tags=say("one text"), baggage=say("no mapping")):  # type: ignore[arg-type]
        with wrong.span("a", kind=say("kind")), wrong.agent("b", budget=say("unknown field")):
            wrong.score(say("score"), {"v": say("value")})
            wrong.score("s", 1, span=say("no id"), trace=say("no id either"))
            wrong.handoff(say("giver"), "b", outcome=say("outcome"), returns_control=say("control"))
        with spanloom.llm_call(temperature=say("no number"), usage={"input": say("no count")}):
            pass
        with wrong.llm_call(input=[{"role": "user", "parts": [{"type": say("type")}]}]):
            pass
        with wrong.span(say("memory"), kind="guardrail", scores={say("category"): say("no float")}):
            pass
    wrong.extract({"traceparent": say("traceparent"), "baggage": say("baggage")}).__enter__()
    wrong.init(
        content=say("content"), backends=[say("backend")], redact={say("kind"): say("action")}
    )


@pytest.mark.parametrize("content", ["redacted", "hash", "none"])
@pytest.mark.parametrize("seed", [1, 5, 9])
def test_no_byte_of_what_is_recorded_by_hand(
    content: str,
    seed: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    lenient: None,
) -> None:
    plants = Plants(seed)
    watch = Watch(tmp_path / "record", capsys, caplog, content=content, integrations=[])
    by_hand(plants.text)
    for place, text in watch.written().items():
        assert not plants.found_in(text), place
    assert len(watch.memory.spans) == 17


@pytest.mark.parametrize("seed", range(3))
def test_no_warning_of_wrong_use_repeats_it(
    seed: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    lenient: None,
) -> None:
    plants = Plants(seed)
    watch = Watch(tmp_path / "record", capsys, caplog, integrations=[])
    wrongly(plants.both)
    for place, text in watch.written().items():
        assert not plants.found_in(text), place
    assert caplog.text.count("WARNING") > 10


PROGRAM = """
import sys, logging, warnings
import spanloom
key, card = sys.argv[2], sys.stdin.read()
with spanloom.workflow("w", input=card):
    spanloom.set_attributes(argv=sys.argv, note=f"{key} {card}")
    spanloom.event("paid with " + key)
    raise ValueError(f"cannot pay with {card} and {key}", sys.argv)
"""


@pytest.mark.parametrize("content", ["redacted", "none", "wrong"])
def test_no_byte_of_a_program_that_is_run(content: str, tmp_path: Path) -> None:
    plants = Plants()
    (tmp_path / "pay.py").write_text(PROGRAM)
    key, card, path = plants.key("argument"), plants.card("input"), plants.key("name of a service")
    done = subprocess.run(
        [sys.executable, "-m", "spanloom", "run", "--", sys.executable, "pay.py", "--token", key],
        input=card, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        env=os.environ | {
            "SPANLOOM_SERVICE_NAME": path, "SPANLOOM_ENVIRONMENT": path, "SPANLOOM_STRICT": "0",
            "SPANLOOM_CONTENT": plants.key("content") if content == "wrong" else content, "SPANLOOM_LOG_LEVEL": "debug",
            "SPANLOOM_HASH_KEY": plants.key("key of hashes"),
        },
    )  # fmt: skip
    assert done.returncode == 1
    ours = [line for line in done.stderr.splitlines() if "ValueError: (" not in line]
    assert not plants.found_in("\n".join(ours) + done.stdout)
    record = written(tmp_path / ".spanloom")
    assert not plants.found_in(record)
    assert b'"command":"pay.py"' in record
