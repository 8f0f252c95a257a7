"""A key and a card in all that passes through LangChain and LangGraph: in no byte of any backend."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.callbacks import dispatch_custom_event
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import JsonOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command, Send, interrupt
from pydantic import BaseModel

from spanloom.testing import Chat, Error, FakeProvider, ToolCall
from spanloom.testing.answers import Answer, ErrorInStream, Garbage, Truncate

from ...planting import Plants, Watch

Say = Callable[[str], str]


class City(BaseModel):
    place: int


def messages(say: Say) -> list[Any]:
    asked = {"name": say("called"), "args": {"q": [say("argument")]}, "id": say("call id")}
    parts: Any = [
        {"type": "text", "text": say("part")},
        {"type": "image_url", "image_url": {"url": say("image")}},
    ]
    return [
        SystemMessage(say("system"), name=say("name")),
        HumanMessage(parts, additional_kwargs={"k": say("additional")}),
        AIMessage(say("ai"), tool_calls=[asked], response_metadata={"k": say("metadata")}),
        ToolMessage(
            say("result"), tool_call_id=say("answered id"), artifact={"k": say("artifact")}
        ),
        HumanMessage(say("question")),
    ]


def answers(say: Say, plants: Plants) -> list[Answer]:
    text = say("split text")
    chat = Chat(
        text=text, chunks=[text[at : at + 7] for at in range(0, len(text), 7)],
        reasoning=say("reasoning"), model=say("answering model"), id=say("response id"),
        finish_reason=say("finish"), headers={"x-request-id": plants.both("request id")},
    )  # fmt: skip
    return [
        chat, Chat(tool_calls=(ToolCall(say("tool"), {"q": say("asked")}, id=say("id")),)),
        Chat(tool_calls=(ToolCall("pay", say("no JSON")),)), Chat(refusal=say("refusal")),
        Error(400, message=say("error"), code=say("code")), Error(429, message=say("limit")),
        ErrorInStream(1, message=say("in stream"), answer=chat), Garbage(say("garbage").encode()),
        Truncate(2, answer=chat),
    ]  # fmt: skip


def config(say: Say, **more: Any) -> Any:
    return {
        "metadata": {"note": say("metadata"), say("key of metadata"): 1}, "tags": [say("tag")],
        "run_name": say("run"), "configurable": {"thread_id": say("thread"), "k": say("c")}, **more,
    }  # fmt: skip


def models(chat: Any, provider: FakeProvider, say: Say, plants: Plants) -> None:
    bound = {
        "tools": [{"type": "function", "function": {"name": say("tool"), "description": say("d")}}]
    }
    model = chat(model=say("model"), stop=[say("stop")], metadata={"k": say("of the model")})
    ways: list[Callable[[], Any]] = [
        lambda: model.invoke(messages(say), config(say), **bound),
        lambda: list(model.stream(messages(say), config(say))),
        lambda: asyncio.run(model.ainvoke(messages(say))),
        lambda: model.with_structured_output(City).invoke(messages(say)),
        lambda: model.with_fallbacks([model]).invoke(messages(say)),
    ]
    for way in ways:
        for answer in answers(say, plants):
            provider.script([answer, answer])
            with contextlib.suppress(Exception):
                way()
            provider.clear()


class Shelf(BaseRetriever):
    say: Any

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        if "fail" in query:
            raise LookupError(self.say("no document"))
        found = {"source": self.say("source"), self.say("key of a document"): [self.say("deep")]}
        return [Document(self.say("found"), id=self.say("document id"), metadata=found)]


class Ones(Embeddings):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        if "fail" in text:
            raise ValueError(f"cannot embed {text}")
        return [1.0]


def pieces(say: Say) -> None:
    @tool(say("name of a tool"))
    def pay(card: Any) -> Any:
        """Pays."""
        kept = say("in a local variable")
        dispatch_custom_event(say("event"), {"k": say("in an event")})
        if card == "fail":
            raise ToolException(say("tool error"), kept)
        return {"paid": say("paid"), "bytes": say("bytes").encode()}

    pay.description = say("what it does")

    def raises(_: Any) -> Any:
        try:
            raise KeyError(say("cause"))
        except KeyError as cause:
            raise ValueError(say("chained")) from cause

    prompt = ChatPromptTemplate.from_messages(
        [("system", say("x").replace("{", "{{").replace("}", "}}")), ("user", "{q}")]
    )
    steps: list[Callable[[], Any]] = [
        lambda: pay.invoke({"card": say("argument")}, config(say)),
        lambda: pay.invoke({"card": "fail"}),
        lambda: pay.invoke(
            {"type": "tool_call", "id": say("id"), "name": "x", "args": {"card": [say("a")]}}
        ),
        lambda: Shelf(say=say).invoke(say("query"), config(say)),
        lambda: Shelf(say=say).invoke("fail"),
        lambda: Ones().embed_documents([say("embedded"), say("embedded too")]),
        lambda: Ones().embed_query(f"fail {say('embedded')}"),
        lambda: (prompt | RunnableLambda(lambda x: x, name=say("step"))).invoke(
            {"q": say("q")}, config(say)
        ),
        lambda: JsonOutputParser().invoke(say("no JSON {")),
        lambda: (
            RunnableLambda(raises)
            .with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
            .invoke(say("in"))
        ),
        lambda: RunnableLambda(lambda x: x).batch([{say("key"): say("value")}, [say("item")]]),
    ]
    for step in steps:
        with contextlib.suppress(ValueError, LookupError, ToolException):
            step()


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return {**old, **new}


class State(TypedDict, total=False):
    facts: Annotated[dict[str, Any], merged]
    said: Annotated[str, lambda _, new: new]


def graphs(say: Say, saver: Any) -> None:
    def remembers(state: State, *, store: BaseStore) -> Any:
        store.put(
            (say("space").replace(".", ";"), "x"), say("key of the store"), {"k": say("remembered")}
        )
        store.search(
            (say("searched").replace(".", ";"),), query=say("query"), filter={"k": say("filter")}
        )
        return {"facts": {say("key of the state"): say("value of the state")}, "said": say("said")}

    def pauses(state: State) -> Any:
        return {"said": interrupt({"question": say("question"), say("key"): 1})}

    def hands_over(state: State) -> Command[Any]:
        return Command(goto=Send("last", {"said": say("sent")}), update={"said": say("update")})

    def last(state: State) -> Any:
        if state.get("said", "").startswith("fail"):
            raise RuntimeError(say("node error"))
        return {"said": say("last")}

    made = StateGraph(State)
    for node in (remembers, pauses, hands_over, last):
        made.add_node(node.__name__, node, metadata={"k": say("of a node")})
    made.add_edge(START, "remembers").add_edge("remembers", "pauses")
    made.add_edge("pauses", "hands_over")
    # older versions put words of their own right behind the name
    graph = made.compile(name=say("graph") + ".", checkpointer=saver, store=InMemoryStore())
    for run in (graph.invoke, lambda *a: list(graph.stream(*a, stream_mode="updates"))):
        given = config(say)
        run({"facts": {say("k"): say("v")}, "said": say("input")}, given)
        run(Command(resume=say("resumed")), given)
        graph.get_state(given)
        graph.update_state(given, {"said": say("updated")})


def agents(say: Say) -> None:
    @tool
    def transfer_to_bob(reason: str) -> Any:
        """Hand over to bob."""
        return Command(goto="bob", graph=Command.PARENT, update={"said": reason})

    def hands_over(_: State) -> Any:
        args = {"reason": say("reason of the handoff")}
        return transfer_to_bob.invoke(
            {"type": "tool_call", "name": "transfer_to_bob", "args": args, "id": say("call id")}
        )

    def agent(name: str, node: Callable[[State], Any]) -> Any:
        made = StateGraph(State)
        made.add_node("agent", lambda _: {"said": say("thought")})
        made.add_node("tools", node)
        made.add_edge(START, "agent").add_edge("agent", "tools")
        return made.compile(name=name)

    team = StateGraph(State)
    team.add_node("alice", agent("alice", hands_over))
    team.add_node("bob", agent("bob", lambda _: {"said": say("answer")}))
    team.add_edge(START, "alice")
    team.compile(name="team").invoke({"said": say("task")}, config(say))


@pytest.fixture
def saver(tmp_path: Path) -> Iterator[SqliteSaver]:
    with SqliteSaver.from_conn_string(str(tmp_path / "checkpoints.db")) as made:
        yield made


@pytest.mark.parametrize(
    ("content", "seed"), [("redacted", 1), ("redacted", 5), ("redacted", 9), ("hash", 3), ("none", 7), ("full", 2)]
)  # fmt: skip
def test_no_byte_of_it_is_anywhere(
    content: str,
    seed: int,
    tmp_path: Path,
    provider: FakeProvider,
    chat: Any,
    saver: SqliteSaver,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    plants = Plants(seed)
    watch = Watch(
        tmp_path / "record", capsys, caplog, content=content, signals=False,
        integrations=["langchain", "openai"],
    )  # fmt: skip
    models(chat, provider, plants.text, plants)
    pieces(plants.text)
    agents(plants.text)
    for keeper in (InMemorySaver(), saver):
        graphs(plants.text, keeper)
    seen = watch.written()
    if content == "full":  # or the others would prove nothing
        assert len(plants.found_in(seen["local"])) > 60
        return
    for place, text in seen.items():
        assert not plants.found_in(text), place
    kinds = {span.kind for span in watch.memory.spans}
    assert kinds >= {"agent", "llm", "tool", "retrieval", "memory", "task", "embedding", "handoff"}
    assert len(plants.places) > 700
