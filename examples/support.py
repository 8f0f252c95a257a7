"""A support agent on the OpenAI SDK: an ordinary program that has never heard of spanloom.

It looks up an order with tools, streams an answer, summarises three tickets at once, embeds them, and
meets one call that fails. ``OPENAI_BASE_URL`` and ``OPENAI_API_KEY`` come from the environment.
"""

import asyncio
import json
from typing import Any

import openai

MODEL = "gpt-4o-mini"

ORDERS = {"1042": {"item": "green kettle", "status": "lost in transit", "paid_usd": 39.9}}
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {
                "type": "object",
                "properties": {"order_id": {"type": "string"}},
                "required": ["order_id"],
            },
        },
    }
    for name, description in (
        ("look_up_order", "What was bought, and where it is."),
        ("refund_order", "Pay the money back."),
    )
]
TICKETS = ("My kettle leaks.", "The invoice shows the wrong address.", "Do you ship to Norway?")


def look_up_order(order_id: str) -> dict[str, Any]:
    return ORDERS.get(order_id, {"status": "unknown"})


def refund_order(order_id: str) -> dict[str, Any]:
    return {"refunded_usd": ORDERS.get(order_id, {}).get("paid_usd", 0.0)}


def answer(client: openai.OpenAI, question: str) -> str:
    """Ask until the model has all that it wants to know."""
    messages: list[Any] = [
        {"role": "system", "content": "You are the support agent of a shop for kettles."},
        {"role": "user", "content": question},
    ]
    for _ in range(5):
        reply = client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS)
        message = reply.choices[0].message
        if not message.tool_calls:
            return message.content or ""
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            arguments = json.loads(call.function.arguments)
            tool = {"look_up_order": look_up_order, "refund_order": refund_order}[
                call.function.name
            ]
            result = tool(arguments.get("order_id", ""))
            print(f"  {call.function.name}({arguments.get('order_id')!r}) -> {result}")
            messages.append(
                {"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)}
            )
    return "I could not find out."


def stream(client: openai.OpenAI, question: str) -> tuple[str, int]:
    """Show an answer while it is written; return it and its output tokens."""
    text, tokens = "", 0
    for chunk in client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": question}],
        stream=True,
        stream_options={"include_usage": True},
    ):
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
        if chunk.usage:
            tokens = chunk.usage.completion_tokens
    return text, tokens


async def summarise(tickets: tuple[str, ...]) -> list[str]:
    """Three calls at once."""
    async with openai.AsyncOpenAI() as client:

        async def one(ticket: str) -> str:
            reply = await client.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": f"In five words: {ticket}"}],
                max_tokens=20,
            )
            return reply.choices[0].message.content or ""

        return await asyncio.gather(*map(one, tickets))


def main() -> None:
    with openai.OpenAI(max_retries=1) as client:
        print("question: where is order 1042?")
        question = "Please look up order 1042 and, if it is lost, refund order 1042."
        print("answer:", answer(client, question))

        text, tokens = stream(client, "Write a short apology.")
        print(f"apology: {text} ({tokens} tokens)")

        for summary in asyncio.run(summarise(TICKETS)):
            print("ticket:", summary)

        vectors = client.embeddings.create(model="text-embedding-3-small", input=list(TICKETS))
        print(f"embedded: {len(vectors.data)} tickets")

        try:
            client.chat.completions.create(
                model="gpt-4o-mini-retired", messages=[{"role": "user", "content": "Still there?"}]
            )
        except openai.APIStatusError as error:
            print(f"the old model is gone: {error.status_code}")


if __name__ == "__main__":
    main()
