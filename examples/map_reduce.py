"""LangGraph: map and reduce. ``Send`` starts one run of a node for each subject, all at once.

``OPENAI_BASE_URL`` and ``OPENAI_API_KEY`` come from the environment.
"""

import operator
from typing import Annotated, TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

MODEL = ChatOpenAI(model="gpt-4o-mini")


class State(TypedDict, total=False):
    subjects: list[str]
    jokes: Annotated[list[str], operator.add]
    best: str


class One(TypedDict):
    subject: str


def each(state: State) -> list[Send]:
    return [Send("joke", {"subject": subject}) for subject in state["subjects"]]


def joke(one: One) -> State:
    return {"jokes": [str(MODEL.invoke(f"A joke about {one['subject']}, please.").content)]}


def choose(state: State) -> State:
    return {"best": str(MODEL.invoke("\n".join(["Which is best?", *state["jokes"]])).content)}


def main() -> None:
    graph = StateGraph(State)
    graph.add_node("joke", joke)
    graph.add_node("choose", choose)
    graph.add_conditional_edges(START, each, ["joke"])
    graph.add_edge("joke", "choose")
    graph.add_edge("choose", END)
    state = graph.compile(name="jokes").invoke({"subjects": ["cats", "tea", "rain", "Mondays"]})
    print(f"{len(state['jokes'])} jokes; the best:", state["best"])


if __name__ == "__main__":
    main()
