"""LangGraph: a graph whose nodes are graphs, three deep, one of them called inside of a node.

``OPENAI_BASE_URL`` and ``OPENAI_API_KEY`` come from the environment.
"""

from typing import TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph

MODEL = ChatOpenAI(model="gpt-4o-mini")


class State(TypedDict, total=False):
    topic: str
    outline: str
    draft: str
    checked: str


def say(prompt: str) -> str:
    return str(MODEL.invoke(prompt).content)


def plan(state: State) -> State:
    return {"outline": say(f"Outline an article on {state['topic']}.")}


def write(state: State) -> State:
    return {"draft": say(f"Write it: {state['outline']}")}


def check_facts(state: State) -> State:
    return {"checked": say(f"Check the facts: {state['draft']}")}


def compiled(name: str, **nodes: object) -> object:
    """A graph of nodes that follow each other."""
    graph = StateGraph(State)
    before = START
    for node, does in nodes.items():
        graph.add_node(node, does)
        graph.add_edge(before, node)
        before = node
    graph.add_edge(before, END)
    return graph.compile(name=name)


CHECKING = compiled("checking", check_facts=check_facts)


def check(state: State) -> State:
    """A graph that a node calls itself, as its state might be another."""
    return {"checked": CHECKING.invoke({"draft": state["draft"]})["checked"]}


def main() -> None:
    writing = compiled("writing", plan=plan, write=write)
    editing = compiled("editing", writing=writing, check=check)
    newsroom = compiled("newsroom", editing=editing)
    print(newsroom.invoke({"topic": "kettles"})["checked"])


if __name__ == "__main__":
    main()
