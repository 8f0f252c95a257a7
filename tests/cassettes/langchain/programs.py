"""Programs whose own requests are the recorded ones: the next follows from the answer before."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from langchain.agents import create_agent
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langgraph.graph import END, START, MessagesState, StateGraph
from pydantic import BaseModel, Field

from spanloom.testing import Interaction


class Program(NamedTuple):
    """``run`` makes the calls of the file whose name ends so, ``traces`` times, from a base URL."""

    file: str
    run: Callable[[str, tuple[Interaction, ...]], object]
    shown: object
    """What ``run`` returns."""
    tree: tuple[str, ...]
    """Kind and name of the spans of each trace, in order."""
    traces: int = 1
    by_sdk: bool = False
    """LangChain makes none of the calls."""


def openai_chat(base: str, **more: Any) -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(
        model="gpt-4o-mini", temperature=0, base_url=f"{base}/v1", api_key="none", max_retries=0,
        **more,
    )  # fmt: skip


def weather_agent(base: str, _: tuple[Interaction, ...]) -> object:
    def get_weather(location: str) -> str:
        """Get the weather for a location."""
        return f"The weather in {location} is sunny."

    agent: Any = create_agent(
        openai_chat(base, n=1, streaming=True), [get_weather],
        system_prompt="You are a helpful assistant.",
    )  # fmt: skip
    ask = {"role": "user", "content": "What's the weather in London?"}
    return agent.invoke({"messages": [ask]})["messages"][-1].content


class FoodAnalysis(BaseModel):
    name: str = Field(description="The name of the food item")
    healthy: bool = Field(description="Whether the food is good for you")
    calories: int = Field(description="Estimated calories per serving")
    taste_profile: list[str] = Field(description="List of taste characteristics")


def structured(base: str, _: tuple[Interaction, ...]) -> object:
    model = openai_chat(base).with_structured_output(FoodAnalysis)
    return model.invoke("Analyze the following food item: avocado")


def sdk_graph_twice(base: str, known: tuple[Interaction, ...]) -> object:
    import openai

    async def calculate(_: MessagesState) -> dict[str, Any]:
        async with openai.AsyncOpenAI(
            base_url=f"{base}/v1", api_key="none", max_retries=0
        ) as client:
            reply = await client.chat.completions.create(**known[0].json)
        return {"messages": [("ai", reply.choices[0].message.content)]}

    graph = StateGraph(MessagesState)
    graph.add_node("calculate", calculate)
    graph.add_edge(START, "calculate")
    graph.add_edge("calculate", END)
    made = graph.compile()

    async def twice() -> list[str]:
        ask: Any = {"messages": [("user", "What's 5 + 5?")]}
        return [(await made.ainvoke(ask))["messages"][-1].content for _ in range(2)]

    return asyncio.run(twice())


def cohere_chain(base: str, _: tuple[Interaction, ...]) -> object:
    from langchain_cohere import ChatCohere

    prompt = ChatPromptTemplate.from_messages(
        [("user", "write 2 lines of random text about ${product}")]
    )
    model = ChatCohere(
        model="command-r-08-2024", cohere_api_key="none", base_url=base, temperature=0.75
    )
    chain = prompt | model | StrOutputParser()
    return "".join(chain.stream({"product": "colorful socks"}))[:15]


def bedrock_chain(base: str, _: tuple[Interaction, ...]) -> object:
    from langchain_aws import ChatBedrock

    prompt = ChatPromptTemplate.from_messages(
        [("system", "You are helpful assistant"), ("user", "{input}")]
    )
    model = ChatBedrock(
        model_id="anthropic.claude-3-haiku-20240307-v1:0", max_tokens=1024, endpoint_url=base,
        region_name="us-east-1",
    )  # fmt: skip
    return (prompt | model).invoke({"input": "tell me a short joke"}).content[-13:]


PROGRAMS = (
    Program(
        "test_agent_with_raw_dict_messages", weather_agent, "The weather in London is sunny.",
        ("agent LangGraph", "task model", "llm chat gpt-4o-mini", "task tools",
         "tool get_weather", "task model", "llm chat gpt-4o-mini"),
    ),
    Program(
        "test_structured_output_with_events_with_no_content", structured,
        FoodAnalysis(name="Avocado", healthy=True, calories=160,
                     taste_profile=["creamy", "buttery", "nutty", "slightly sweet"]),
        ("task RunnableSequence", "llm chat gpt-4o-mini", "task _check_refusal", "task RunnableLambda"),
    ),
    Program(
        "test_langgraph_double_ainvoke", sdk_graph_twice, ["\\(5 + 5 = 10\\)."] * 2,
        ("workflow LangGraph", "task calculate", "llm chat gpt-4o"), traces=2, by_sdk=True,
    ),
    Program(
        "chains.test_stream_with_events_with_no_content", cohere_chain, "$colorful socks",
        ("task RunnableSequence", "task ChatPromptTemplate", "llm chat command-r-08-2024",
         "task StrOutputParser"),
    ),
    Program(
        "llms.test_bedrock_with_events_with_no_content", bedrock_chain, "A gummy bear!",
        ("task RunnableSequence", "task ChatPromptTemplate",
         "llm chat anthropic.claude-3-haiku-20240307-v1:0"),
    ),
)  # fmt: skip
