"""Recorded requests, made again through LangChain's own classes, and what their answers said.

Requests that an SDK made by itself, inside a graph or a chain, are made so here too. The facts are
read from the recorded bytes by code that shares nothing with the integration.
"""

import json
from collections.abc import Callable
from typing import Any

from langchain_core.messages import convert_to_messages
from langchain_core.runnables import RunnableLambda
from langgraph.graph import END, START, MessagesState, StateGraph
from tests.integrations.openai.facts import WireFacts, read

from spanloom.testing import Interaction, Replay

Call = Callable[[], object]


def maker(known: Interaction) -> tuple[str, Callable[[Interaction, str], Call]] | None:
    """How an interaction is made: the class or way, and what prepares it; None: not here."""
    if "api.openai.com" in known.host:
        if known.path.endswith("/chat/completions"):
            if known.file.stem.endswith("langgraph_double_ainvoke"):
                return "openai SDK in a graph", sdk_in_a_graph
            return "ChatOpenAI", chat_openai
        if known.path.endswith("/completions"):
            return "openai SDK in a chain", sdk_in_a_chain
    if "api.anthropic.com" in known.host:
        return "ChatAnthropic", chat_anthropic
    if "api.cohere.com" in known.host:
        return "ChatCohere", chat_cohere
    if "bedrock-runtime" in known.host and known.path.endswith("/invoke"):
        return "ChatBedrock", chat_bedrock
    return None


def call(known: Interaction, replay: Replay) -> None:
    found = maker(known)
    assert found is not None
    found[1](known, replay.base_url(known))()


def chat_openai(known: Interaction, base: str) -> Call:
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
        return lambda: list(model.stream(given, **body))
    return lambda: model.invoke(given, **body)


def sdk_in_a_graph(known: Interaction, base: str) -> Call:
    import openai

    def node(state: Any) -> Any:
        with openai.OpenAI(base_url=f"{base}/v1", api_key="none", max_retries=0) as client:
            reply = client.chat.completions.create(**known.json)
        return {"messages": [("ai", reply.choices[0].message.content)]}

    graph = StateGraph(MessagesState)
    graph.add_node("calls the SDK", node)
    graph.add_edge(START, "calls the SDK")
    graph.add_edge("calls the SDK", END)
    made = graph.compile()
    return lambda: made.invoke({"messages": [("user", "hi")]})


def sdk_in_a_chain(known: Interaction, base: str) -> Call:
    import openai

    def step(_: str) -> str:
        with openai.OpenAI(base_url=f"{base}/v1", api_key="none", max_retries=0) as client:
            return client.completions.create(**known.json).choices[0].text

    chain = RunnableLambda(step, name="calls the SDK") | RunnableLambda(str.strip)
    return lambda: chain.invoke("hi")


def chat_anthropic(known: Interaction, base: str) -> Call:
    from langchain_anthropic import ChatAnthropic

    body = dict(known.json)
    given = convert_to_messages(body.pop("messages"))
    if "system" in body:
        given = [("system", body.pop("system")), *given]
    model = ChatAnthropic(
        model=body.pop("model"), max_tokens=body.pop("max_tokens"), base_url=base, api_key="none",
        max_retries=0,
    )  # fmt: skip
    return lambda: model.invoke(given, **body)


def chat_cohere(known: Interaction, base: str) -> Call:
    from langchain_cohere import ChatCohere

    body = known.json
    given = [(message["role"], message["content"]) for message in body["messages"]]
    model = ChatCohere(
        model=body["model"], cohere_api_key="none", base_url=base, temperature=body["temperature"]
    )
    assert body["stream"]
    return lambda: list(model.stream(given))


def chat_bedrock(known: Interaction, base: str) -> Call:
    from langchain_aws import ChatBedrock

    body = known.json
    given = [("system", body["system"]), *((m["role"], m["content"]) for m in body["messages"])]
    name = known.path.split("/")[2].replace("%3A", ":")
    model = ChatBedrock(model_id=name, endpoint_url=base, region_name="us-east-1")
    return lambda: model.invoke(given)


# -- what the answers said ---------------------------------------------------------------------


def told(known: Interaction) -> WireFacts:
    if "api.cohere.com" in known.host:
        return _cohere(known.response_body)
    if "api.openai.com" in known.host:
        return read(known.path, known.response_body)
    return _anthropic(json.loads(known.response_body))


def _anthropic(reply: dict[str, Any]) -> WireFacts:
    facts = WireFacts(model=reply["model"], response_id=reply["id"])
    facts.finish = [reply["stop_reason"]]
    facts.text = ["".join(p["text"] for p in reply["content"] if p["type"] == "text")]
    facts.tool_calls = [
        (p["id"], p["name"], json.dumps(p["input"]))
        for p in reply["content"]
        if p["type"] == "tool_use"
    ]
    usage = reply["usage"]
    read_, written = (
        usage.get(f"cache_{way}_input_tokens") or 0 for way in ("read", "creation")
    )  # Anthropic counts what came from the cache and what went into it apart
    facts.input_tokens = usage["input_tokens"] + read_ + written
    facts.output_tokens = usage["output_tokens"]
    facts.total_tokens = facts.input_tokens + facts.output_tokens
    facts.cached_tokens = read_ or None
    return facts


def _cohere(body: bytes) -> WireFacts:
    facts = WireFacts(text=[""])
    for line in body.decode().splitlines():
        if not line.startswith("data:") or "[DONE]" in line:
            continue
        event = json.loads(line[5:])
        facts.response_id = event.get("id") or facts.response_id
        if event["type"] == "content-delta":
            facts.text[0] += event["delta"]["message"]["content"]["text"]
        if event["type"] == "message-end":
            usage = event["delta"]["usage"]["billed_units"]
            facts.finish = [event["delta"]["finish_reason"]]
            facts.input_tokens, facts.output_tokens = usage["input_tokens"], usage["output_tokens"]
            facts.total_tokens = facts.input_tokens + facts.output_tokens
    return facts
