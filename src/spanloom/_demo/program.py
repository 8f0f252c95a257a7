"""The program of ``spanloom demo``: agents on LangGraph that have never heard of spanloom.

``python program.py FILE THREAD`` starts a conversation, which stops where a person must agree;
``python program.py FILE THREAD yes`` goes on with it, in another process. A supervisor hands over to a
researcher and to a writer, and each hands back. One tool streams its text by the OpenAI SDK itself.
"""

# mypy: ignore-errors
# pyright: basic, reportMissingImports=false

import pickle
import sys
from pathlib import Path
from typing import Annotated

import openai
from langchain_core.messages import ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedState, ToolNode
from langgraph.types import Command, interrupt

MODEL = "gpt-4o-mini"
PEOPLE = {"Oslo": 717_710, "Bergen": 291_940, "Tromsø": 78_745, "Trondheim": 214_565,
          "Stavanger": 149_048, "Bodø": 53_712}  # fmt: skip


class FileSaver(InMemorySaver):
    """Keeps its checkpoints in a file, for the next process."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        if path.exists():
            threads, writes, blobs = pickle.loads(path.read_bytes())
            for thread, namespaces in threads.items():
                self.storage[thread].update(namespaces)
            self.writes.update(writes)
            self.blobs.update(blobs)

    def save(self):
        threads = {thread: dict(namespaces) for thread, namespaces in self.storage.items()}
        self.path.write_bytes(pickle.dumps((threads, dict(self.writes), dict(self.blobs))))


@tool
def population(city: str) -> int:
    """How many people live in a city."""
    say(f"  population of {city}: {PEOPLE.get(city, 0)}")
    return PEOPLE.get(city, 0)


@tool
def draft(topic: str) -> str:
    """Write a text on a topic."""
    written = ""
    say(f"  draft on {topic}: ", end="")
    with openai.OpenAI() as client:
        for chunk in client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": f"Write a short text on: {topic}"}],
            stream=True,
            stream_options={"include_usage": True},
        ):
            piece = (chunk.choices[0].delta.content or "") if chunk.choices else ""
            say(piece, end="")
            written += piece
    say("")
    return written


@tool
def publish(title: str) -> str:
    """Publish the draft, once a person has agreed."""
    agreed = interrupt({"publish": title})
    say(f"  publish {title}: {agreed}")
    return f"published: {title}" if agreed == "yes" else "not published"


def transfer(to):
    @tool(f"transfer_to_{to}")
    def handoff(
        reason: str,
        state: Annotated[dict, InjectedState],
        tool_call_id: Annotated[str, InjectedToolCallId],
    ) -> Command:
        """Hand over to the agent of that name."""
        say(f"  to the {to}: {reason}")
        done = ToolMessage(f"Handed over to the {to}.", tool_call_id=tool_call_id)
        return Command(
            goto=to, graph=Command.PARENT, update={"messages": [*state["messages"], done]}
        )

    return handoff


def agent(name, tools):
    """A model that is asked until it calls no more tools."""
    model = ChatOpenAI(model=MODEL, max_retries=2).bind_tools(tools)

    def ask(state):
        return {
            "messages": [model.invoke([("system", f"You are the {name}."), *state["messages"]])]
        }

    def after(state):
        return "tools" if state["messages"][-1].tool_calls else END

    graph = StateGraph(MessagesState)
    graph.add_node("agent", ask)
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "agent")
    graph.add_conditional_edges("agent", after, ["tools", END])
    graph.add_edge("tools", "agent")
    return graph.compile(name=name)


def newsroom(saver):
    team = {
        "supervisor": [transfer("researcher"), transfer("writer")],
        "researcher": [population, transfer("supervisor")],
        "writer": [draft, publish, transfer("supervisor")],
    }
    graph = StateGraph(MessagesState)
    for name, tools in team.items():
        graph.add_node(name, agent(name, tools))
    graph.add_edge(START, "supervisor")
    return graph.compile(checkpointer=saver, name="newsroom")


def say(text, end="\n"):
    sys.stdout.write(f"{text}{end}")
    sys.stdout.flush()


def main(path, thread, *answer):
    saver = FileSaver(Path(path))
    graph = newsroom(saver)
    config = {"configurable": {"thread_id": thread}}
    if answer:
        say(f"the person says: {answer[0]}")
        state = graph.invoke(Command(resume=answer[0]), config)
        say(f"  the end: {state['messages'][-1].content}")
    else:
        say("asked: a text on the people of Norway's cities")
        graph.invoke({"messages": "A text on the people of Norway's cities, please."}, config)
        say("it waits for a person who agrees to publish")
    saver.save()


if __name__ == "__main__":
    main(*sys.argv[1:])
