"""A1, A4, A8, C2: programs that call models in every way there is, under `spanloom run` or beside others."""

import json
import sys
from typing import Any

import pytest

from spanloom.testing import Chat, FakeProvider, Tokens

from ..programs import Kept, Programs

# every way to ask once; `app.py NAMES...` runs those, `outer` before them puts a span around each
WAYS = '''
    import asyncio, contextlib, itertools, sys, warnings
    from concurrent.futures import ThreadPoolExecutor

    from langchain.agents import create_agent
    from langchain_core.messages import HumanMessage
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI
    from langgraph.graph import END, START, MessagesState, StateGraph
    from langgraph_supervisor import create_supervisor
    from langgraph_swarm import create_swarm
    from pydantic import BaseModel

    warnings.simplefilter("ignore")  # the newest events are called beta
    ASK = "Which city?"

    class City(BaseModel):
        """A city."""

        name: str

    @tool
    def population(city: str) -> int:
        """How many people live in a city."""
        return 1

    timeouts = itertools.count(30)

    def model(**options):
        # models of the same timeout share a client, whose connections belong to the first event loop
        return ChatOpenAI(model="gpt-4o-mini", temperature=0.25, max_tokens=77, stream_usage=True,
                          max_retries=0, timeout=next(timeouts), **options)

    async def read(stream):
        return [item async for item in stream]

    async def read_v3(thing, asked):
        found = [item async for item in await thing.astream_events(asked, version="v3")]
        # a loop that ends here would cancel LangChain before it tells its handlers of the end
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
        return found

    def graph(one):
        def node(state):
            return {"messages": [one.invoke(state["messages"])]}

        made = StateGraph(MessagesState)
        made.add_node("asks", node)
        made.add_edge(START, "asks")
        made.add_edge("asks", END)
        return made.compile()

    def agent(name):
        return create_agent(model(), [population], name=name)

    def in_a_pool():
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(model().invoke, ASK).result()

    def structured(method, **options):
        return model(**options).with_structured_output(City, method=method, include_raw=True)

    state = {"messages": [HumanMessage(ASK)]}
    responses = {"use_responses_api": True}
    raw = {"include_response_headers": True}
    ways = {
        "invoke": lambda: model().invoke(ASK),
        "ainvoke": lambda: asyncio.run(model().ainvoke(ASK)),
        "stream": lambda: list(model().stream(ASK)),
        "astream": lambda: asyncio.run(read(model().astream(ASK))),
        "batch": lambda: model().batch([ASK]),
        "abatch": lambda: asyncio.run(model().abatch([ASK])),
        "generate": lambda: model().generate([[HumanMessage(ASK)]]),
        "agenerate": lambda: asyncio.run(model().agenerate([[HumanMessage(ASK)]])),
        "events v2": lambda: asyncio.run(read(model().astream_events(ASK, version="v2"))),
        "events v3": lambda: list(model().stream_events(ASK, version="v3")),
        "async events v3": lambda: asyncio.run(read_v3(model(), ASK)),
        "structured by schema": lambda: structured("json_schema").invoke(ASK),
        "structured by schema, streamed": lambda: list(structured("json_schema").stream(ASK)),
        "structured by function": lambda: structured("function_calling").invoke(ASK),
        "structured by json": lambda: asyncio.run(structured("json_mode").ainvoke(ASK)),
        "structured responses": lambda: structured("json_schema", **responses).invoke(ASK),
        "bound tools": lambda: model().bind_tools([population]).invoke(ASK),
        "raw": lambda: model(**raw).invoke(ASK),
        "raw, async": lambda: asyncio.run(model(**raw).ainvoke(ASK)),
        "raw, streamed": lambda: list(model(**raw).stream(ASK)),
        "responses": lambda: model(**responses).invoke(ASK),
        "responses, async": lambda: asyncio.run(model(**responses).ainvoke(ASK)),
        "responses, streamed": lambda: list(model(**responses).stream(ASK)),
        "responses, streamed async": lambda: asyncio.run(read(model(**responses).astream(ASK))),
        "in a node": lambda: graph(model()).invoke(state),
        "in a node, async": lambda: asyncio.run(graph(model()).ainvoke(state)),
        "in a node, streamed": lambda: list(graph(model()).stream(state, stream_mode="messages")),
        "in a node, events v2": lambda: asyncio.run(read(graph(model()).astream_events(state, version="v2"))),
        "in a node, events v3": lambda: list(graph(model()).stream_events(state, version="v3")),
        "in a node, async events v3": lambda: asyncio.run(read_v3(graph(model()), state)),
        "in a pool": in_a_pool,
        "agent": lambda: agent("one").invoke(state),
        "supervisor": lambda: create_supervisor([agent("one")], model=model()).compile().invoke(state),
        "swarm": lambda: create_swarm([agent("one")], default_active_agent="one").compile().invoke(state),
    }
    outer, *names = sys.argv[1:]
    for name in names or ways:
        with contextlib.ExitStack() as stack:
            if outer == "outer":
                import spanloom
                stack.enter_context(spanloom.workflow(name))
            ways[name]()
'''

ANSWER = Chat(
    text='{"name": "Oslo"}', usage=Tokens(21, 8, cached=5, reasoning=3), finish_reason="stop"
)


def run(programs: Programs, provider: FakeProvider, outer: str, **environ: Any) -> Kept:
    """The record of all ways one after the other, by a program without a line of ours."""
    provider.on(lambda _call: True, ANSWER)
    path = programs.write(WAYS)
    command = [sys.executable, "-W", "ignore", "-m", "spanloom", "run", path, outer]
    ran = programs.wait(programs.command(*command, SPANLOOM_CONTENT="full", **environ))
    assert (ran.status, ran.out, ran.err) == (0, "", ""), ran.err
    return programs.kept()


def check_calls(kept: Kept, provider: FakeProvider) -> None:
    """One call in the record for each that reached the provider, with what both layers know."""
    assert len(provider.exchanges) == WAYS.count('": lambda') + WAYS.count('": in_a_pool')
    calls = {call.detail.response_id: call for call in kept.calls()}
    assert len(calls) == len(kept.calls())
    assert set(calls) == {exchange.answer.id for exchange in provider.exchanges}
    for exchange in provider.exchanges:
        call = calls[exchange.answer.id]
        detail: Any = call.detail
        used = detail.usage
        assert (used.input, used.output, used.total, used.cached, used.reasoning) == (
            21,
            8,
            29,
            5,
            3,
        )
        assert (detail.model, detail.temperature, detail.max_tokens) == ("gpt-4o-mini", 0.25, 77)
        assert (detail.stream, detail.http_status) == (exchange.stream, 200)
        assert detail.provider_request_id == dict(exchange.response_headers)["x-request-id"]
        assert detail.response_model == exchange.answer.model
        assert "".join(part.text for part in detail.output[0].parts) == '{"name": "Oslo"}'
        assert (call.status, call.complete, call.integration) == ("ok", True, "langchain")
    assert not kept.open


@pytest.mark.field(
    "A1", "a program that asks in every way: one llm span a call, tokens once", by="langchain"
)
@pytest.mark.parametrize("outer", ["alone", "outer"])
def test_every_way_to_ask(programs: Programs, provider: FakeProvider, outer: str) -> None:
    kept = run(programs, provider, outer)
    check_calls(kept, provider)
    (root,) = (record for record in kept.ended.values() if record.parent_id is None)
    assert root.name == "app.py"
    assert {record.trace_id for record in kept.ended.values()} == {root.trace_id}
    if outer == "outer":  # each way's call is below the span around it, wherever it ran
        around = {r.span_id: r for r in kept.ended.values() if r.parent_id == root.span_id}
        assert len(around) == len(provider.exchanges)
        assert {top(kept, call, root.span_id) for call in kept.calls()} == set(around)


def top(kept: Kept, record: Any, root: str) -> str:
    while record.parent_id != root:
        record = kept.ended[record.parent_id]
    return str(record.span_id)


THEIRS = """
from openinference.instrumentation.langchain import LangChainInstrumentor
from openinference.instrumentation.openai import OpenAIInstrumentor

OpenAIInstrumentor().instrument()
LangChainInstrumentor().instrument()
"""


@pytest.mark.field(
    "A8",
    "OpenInference's two instrumentors on: every way is single, and doctor tells",
    by="langchain",
)
def test_beside_openinference(programs: Programs, provider: FakeProvider) -> None:
    """They are on before the program begins, as a platform's start-up would have them."""
    programs.write(THEIRS, "sitecustomize.py")
    check_calls(run(programs, provider, "alone", PYTHONPATH=programs.folder), provider)
    doctor = [sys.executable, "-W", "ignore", "-m", "spanloom", "doctor", "--json"]
    ran = programs.wait(programs.command(*doctor, PYTHONPATH=programs.folder))
    document = json.loads(ran.out)
    rows = {row["name"]: row for row in document["integrations"]}
    doubled = {
        (name, foreign["where"])
        for name, row in rows.items()
        for foreign in row["foreign"]
        if (foreign["who"], foreign["effect"]) == ("OpenInference", "doubles")
    }
    assert doubled == {
        ("langchain", "langchain_core.callbacks.base.BaseCallbackManager.__init__"),
        ("openai", "openai.OpenAI.request"), ("openai", "openai.AsyncOpenAI.request"),
    }  # fmt: skip
    told = [f for f in document["findings"] if f["name"] == "OpenInference"]
    assert any("as soon as langchain-core is imported" in f["text"] for f in told)
    assert all("only one of the two" in f["fix"] for f in told)
    assert not any(
        f["name"].startswith("lang") for f in document["findings"] if f["area"] == "others"
    )
