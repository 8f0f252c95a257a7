"""Recorded requests, made again through LangChain's own classes.

A request that an SDK made by itself inside a graph is made so here too.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

from langchain_core.messages import convert_to_messages
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, MessagesState, StateGraph

from spanloom.testing import Interaction

Make = Callable[[Interaction, str, RunnableConfig], object]


class Way(NamedTuple):
    """``make`` sends the request to a base URL, and reads the answer to its end."""

    name: str
    package: str
    make: Make


def way(known: Interaction) -> Way | None:
    """How the request is made; ``None``: by nothing here."""
    if "api.openai.com" in known.host and known.path == "/v1/chat/completions":
        if known.file.stem.endswith("langgraph_double_ainvoke"):
            return Way("openai SDK in a graph", "openai", sdk_in_a_graph)
        return Way("ChatOpenAI", "langchain_openai", chat_openai)
    if "api.openai.com" in known.host and known.path == "/v1/completions":
        return Way("OpenAI", "langchain_openai", completion_openai)
    if "api.anthropic.com" in known.host and known.path == "/v1/messages":
        return Way("ChatAnthropic", "langchain_anthropic", chat_anthropic)
    if "api.cohere.com" in known.host and known.path == "/v2/chat":
        return Way("ChatCohere", "langchain_cohere", chat_cohere)
    if "bedrock-runtime" in known.host and known.path.endswith("/invoke"):
        return Way("ChatBedrock", "langchain_aws", chat_bedrock)
    return None


def obstacle(known: Interaction) -> str | None:
    """Why a recording cannot be made again."""
    found = way(known)
    if found is None:
        return "no class of LangChain is known to make it"
    return None if find_spec(found.package) else f"{found.package} is not installed"


def chat_openai(known: Interaction, base: str, config: RunnableConfig) -> object:
    from langchain_openai import ChatOpenAI

    body = dict(known.json)
    given = convert_to_messages(body.pop("messages"))
    stream = body.pop("stream", False)
    usage = body.pop("stream_options", None)
    named = {name: body.pop(name) for name in ("temperature", "n", "logprobs") if name in body}
    model = ChatOpenAI(
        model=body.pop("model"), base_url=f"{base}/v1", api_key="none", max_retries=0,
        stream_usage=bool(usage), **named,
    )  # fmt: skip
    if stream:
        return list(model.stream(given, config, **body))
    return model.invoke(given, config, **body)


def completion_openai(known: Interaction, base: str, config: RunnableConfig) -> object:
    import openai
    from langchain_openai import OpenAI

    class AsRecorded(OpenAI):
        """Without LangChain's defaults for everything, which the recorded request does not have."""

        temperature: Any = None
        max_tokens: Any = None

        @property
        def _default_params(self) -> dict[str, Any]:
            return {"max_tokens": openai.omit}  # it asks for that one

    model = AsRecorded(
        model=known.json["model"], base_url=f"{base}/v1", api_key="none", max_retries=0
    )
    (prompt,) = known.json["prompt"]
    return model.invoke(prompt, config)


def sdk_in_a_graph(known: Interaction, base: str, config: RunnableConfig) -> object:
    import openai

    def node(state: MessagesState) -> dict[str, Any]:
        with openai.OpenAI(base_url=f"{base}/v1", api_key="none", max_retries=0) as client:
            reply = client.chat.completions.create(**known.json)
        return {"messages": [("ai", reply.choices[0].message.content)]}

    graph = StateGraph(MessagesState)
    graph.add_node("calls the SDK", node)
    graph.add_edge(START, "calls the SDK")
    graph.add_edge("calls the SDK", END)
    return graph.compile().invoke({"messages": [("user", "hi")]}, config)


def chat_anthropic(known: Interaction, base: str, config: RunnableConfig) -> object:
    from langchain_anthropic import ChatAnthropic

    body = dict(known.json)
    given = convert_to_messages(body.pop("messages"))
    if "system" in body:
        given = [("system", body.pop("system")), *given]
    model = ChatAnthropic(
        model=body.pop("model"), max_tokens=body.pop("max_tokens"), base_url=base, api_key="none",
        max_retries=0,
    )  # fmt: skip
    return model.invoke(given, config, **body)


def chat_cohere(known: Interaction, base: str, config: RunnableConfig) -> object:
    from langchain_cohere import ChatCohere

    body = known.json
    given = [(message["role"], message["content"]) for message in body["messages"]]
    model = ChatCohere(
        model=body["model"], cohere_api_key="none", base_url=base, temperature=body["temperature"]
    )
    assert body["stream"]
    return list(model.stream(given, config))


def chat_bedrock(known: Interaction, base: str, config: RunnableConfig) -> object:
    from langchain_aws import ChatBedrock

    body = known.json
    given = [("system", body["system"]), *((m["role"], m["content"]) for m in body["messages"])]
    model = ChatBedrock(
        model_id=bedrock_model(known), max_tokens=body["max_tokens"], endpoint_url=base,
        region_name="us-east-1",
    )  # fmt: skip
    return model.invoke(given, config)


def bedrock_model(known: Interaction) -> str:
    """What Bedrock is asked for is in the path."""
    return known.path.split("/")[2].replace("%3A", ":")
