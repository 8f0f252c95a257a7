"""An ASGI application, without a framework."""

import openai

import spanloom
from spanloom.middleware import ASGIMiddleware

spanloom.init()


async def application(scope, receive, send):
    if scope["type"] != "http":  # uvicorn asks for the lifespan protocol first
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/plain")],
        }
    )
    path = scope["path"]
    if path == "/health":
        await send({"type": "http.response.body", "body": b"ok"})
        return
    messages = [{"role": "user", "content": path}]
    async with openai.AsyncOpenAI() as client:
        if path.startswith("/stream"):
            stream = await client.chat.completions.create(
                model="gpt-4o", messages=messages, stream=True
            )
            async for chunk in stream:
                if chunk.choices and chunk.choices[0].delta.content:
                    body = chunk.choices[0].delta.content.encode()
                    await send({"type": "http.response.body", "body": body, "more_body": True})
        else:
            await client.chat.completions.create(model="gpt-4o", messages=messages)
    await send({"type": "http.response.body", "body": b""})


app = ASGIMiddleware(application)
