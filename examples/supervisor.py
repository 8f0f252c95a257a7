"""A supervisor and two workers, with langgraph-supervisor: each worker hands back when it is done.

``OPENAI_BASE_URL`` and ``OPENAI_API_KEY`` come from the environment.
"""

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph_supervisor import create_supervisor


@tool
def population(city: str) -> int:
    """The inhabitants of a city."""
    return {"Oslo": 717_710, "Bergen": 291_940}.get(city, 0)


@tool
def divide(a: float, b: float) -> float:
    """Divide two numbers."""
    return a / b


def main() -> None:
    model = ChatOpenAI(model="gpt-4o-mini")
    researcher = create_agent(model, [population], name="researcher")
    analyst = create_agent(model, [divide], name="analyst")
    team = create_supervisor(
        [researcher, analyst],
        model=model,
        prompt="Ask the researcher for facts, and the analyst for sums.",
    ).compile()
    answer = team.invoke({"messages": "How many times larger than Bergen is Oslo?"})
    print(answer["messages"][-1].content)


if __name__ == "__main__":
    main()
