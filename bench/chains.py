"""The workloads on LangChain and LangGraph. Their model is a class that answers inside the process."""

from collections.abc import Callable
from typing import Any

import workloads

MODEL = "scripted-1"


def _answer(content: str, **more: Any) -> Any:
    from langchain_core.messages import AIMessage

    return AIMessage(
        content,
        response_metadata={"model_name": MODEL, "finish_reason": "stop"},
        usage_metadata={"input_tokens": 512, "output_tokens": 256, "total_tokens": 768},
        **more,
    )


def _model(answer: Callable[[Any], Any]) -> Any:
    """A chat model that says ``answer(messages)``."""
    from langchain_core.language_models.chat_models import BaseChatModel
    from langchain_core.outputs import ChatGeneration, ChatResult

    class Scripted(BaseChatModel):
        model_name: str = MODEL

        @property
        def _llm_type(self) -> str:
            return "scripted"

        def bind_tools(self, tools: Any, **_: Any) -> Any:
            return self

        def _generate(self, messages: Any, *_: Any, **__: Any) -> Any:
            return ChatResult(generations=[ChatGeneration(message=answer(messages))])

    return Scripted()


def w4(adapter: Any) -> Callable[[], Any]:
    """A prompt, a model and a parser: four runs."""
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate

    prompt = ChatPromptTemplate.from_messages(
        [("system", "You are a support agent."), ("user", "{question}")]
    )
    model = _model(lambda messages: _answer(workloads.text(1024)))
    chain = prompt | model | StrOutputParser()
    return lambda: chain.invoke({"question": workloads.prompt(2048)}, adapter.config())


def w5(adapter: Any) -> Callable[[], Any]:
    """An agent on LangGraph that calls a tool three times and answers."""
    from langchain.agents import create_agent
    from langchain_core.tools import tool

    @tool
    def look_up(order: int) -> str:
        """Look an order up."""
        return f"order {order} was paid twice, four seconds apart"

    def next_step(messages: Any) -> Any:
        done = sum(message.type == "tool" for message in messages)
        if done == 3:
            return _answer(workloads.text(1024))
        call = {"name": "look_up", "args": {"order": 1000 + done}, "id": f"call_{done}"}
        return _answer("", tool_calls=[call])

    agent = create_agent(_model(next_step), tools=[look_up])

    def call() -> None:
        asked = {"messages": [("user", workloads.prompt(2048))]}
        if len(agent.invoke(asked, adapter.config())["messages"]) != 8:
            raise AssertionError("the recorder changed the run")

    return call
