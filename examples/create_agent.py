"""LangChain's ``create_agent`` with two tools, one of which may be called twice at once.

``OPENAI_BASE_URL`` and ``OPENAI_API_KEY`` come from the environment.
"""

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

STOCK = {"kettle": 3, "teapot": 0}


@tool
def in_stock(item: str) -> int:
    """How many of an item there are."""
    return STOCK.get(item, 0)


@tool
def order(item: str, count: int) -> str:
    """Order an item from its maker."""
    return f"ordered {count} x {item}"


def main() -> None:
    agent = create_agent(
        ChatOpenAI(model="gpt-4o-mini"),
        [in_stock, order],
        system_prompt="You keep the stock of a shop.",
        name="storekeeper",
    )
    question = "How many kettles and teapots are there? Order what is missing."
    for message in agent.invoke({"messages": question})["messages"]:
        message.pretty_print()


if __name__ == "__main__":
    main()
