"""Two agents of langgraph-swarm that hand a conversation to each other, over two turns of it.

``OPENAI_BASE_URL`` and ``OPENAI_API_KEY`` come from the environment.
"""

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph_swarm import create_handoff_tool, create_swarm


@tool
def find_flight(to: str) -> str:
    """Find a flight."""
    return f"KL1234 to {to} at 10:05"


@tool
def find_hotel(city: str) -> str:
    """Find a hotel."""
    return f"Hotel Bristol, {city}"


def main() -> None:
    model = ChatOpenAI(model="gpt-4o-mini")
    flights = create_agent(
        model, [find_flight, create_handoff_tool(agent_name="hotels")], name="flights"
    )
    hotels = create_agent(
        model, [find_hotel, create_handoff_tool(agent_name="flights")], name="hotels"
    )
    swarm = create_swarm([flights, hotels], default_active_agent="flights").compile(
        checkpointer=InMemorySaver()
    )
    config = {"configurable": {"thread_id": "journey"}}
    for said in ("I want to fly to Oslo, and to sleep there.", "Another flight, please."):
        state = swarm.invoke({"messages": said}, config)
        print(f"{state['active_agent']}:", state["messages"][-1].content)


if __name__ == "__main__":
    main()
