"""LangGraph: a graph that waits for a person, and goes on in another process.

    python examples/interrupt_resume.py FILE        it asks, and ends
    python examples/interrupt_resume.py FILE yes    it goes on with the answer

``OPENAI_BASE_URL`` and ``OPENAI_API_KEY`` come from the environment.
"""

import pickle
import sys
from pathlib import Path
from typing import TypedDict

from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

MODEL = ChatOpenAI(model="gpt-4o-mini")


class FileSaver(InMemorySaver):
    """Keeps its checkpoints in a file; for a real program there is langgraph-checkpoint-sqlite."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        if path.exists():
            threads, writes, blobs = pickle.loads(path.read_bytes())
            for thread, namespaces in threads.items():
                self.storage[thread].update(namespaces)
            self.writes.update(writes)
            self.blobs.update(blobs)

    def save(self) -> None:
        threads = {thread: dict(namespaces) for thread, namespaces in self.storage.items()}
        self.path.write_bytes(pickle.dumps((threads, dict(self.writes), dict(self.blobs))))


class State(TypedDict, total=False):
    request: str
    letter: str
    sent: str


def draft(state: State) -> State:
    return {"letter": str(MODEL.invoke(f"A letter, please: {state['request']}").content)}


def approve(state: State) -> State:
    if interrupt({"letter": state["letter"]}) != "yes":
        return {"sent": "It was not sent."}
    return {"sent": str(MODEL.invoke(f"Write its subject: {state['letter']}").content)}


def main() -> None:
    saver = FileSaver(Path(sys.argv[1]))
    graph = StateGraph(State)
    graph.add_node("draft", draft)
    graph.add_node("approve", approve)
    graph.add_edge(START, "draft")
    graph.add_edge("draft", "approve")
    graph.add_edge("approve", END)
    letters = graph.compile(checkpointer=saver, name="letters")
    config = {"configurable": {"thread_id": f"letter-{Path(sys.argv[1]).stem}"}}
    if sys.argv[2:]:
        print("sent:", letters.invoke(Command(resume=sys.argv[2]), config)["sent"])
    else:
        letters.invoke({"request": "thank a customer"}, config)
        print("send this?", letters.get_state(config).values["letter"])
    saver.save()


if __name__ == "__main__":
    main()
