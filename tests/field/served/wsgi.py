"""A WSGI application that starts spanloom when it is imported, in gunicorn's master."""

import os

import openai

import spanloom
from spanloom.middleware import WSGIMiddleware

spanloom.init()
client = openai.OpenAI()

with spanloom.workflow("preloaded"):
    client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "warm"}])
# connections must not be shared with the workers: that is openai's concern, not ours
client.close()


def words(client):
    with client:
        for chunk in client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "hi"}], stream=True
        ):
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content.encode()


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    path = environ["PATH_INFO"]
    if path == "/health":
        return [b"ok"]
    if path.startswith("/stream"):
        return words(openai.OpenAI())
    with openai.OpenAI() as own:
        own.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": path}])
    return [str(os.getpid()).encode()]


app = WSGIMiddleware(application)
