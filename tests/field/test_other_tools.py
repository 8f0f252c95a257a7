"""A8: a real instrumentor of another vendor in the same process, and what is said of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spanloom.testing import FakeProvider

PROGRAM = """
import openai
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
import spanloom
from spanloom import others
from spanloom.backends.memory import MemoryBackend

theirs = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(theirs))
backend = MemoryBackend()


def ours():
    spanloom.init(backends=[backend])


def vendor():
    OpenAIInstrumentor().instrument(tracer_provider=provider)


def found():
    return sorted((f.who, f.where, f.effect) for f in others.report().found if f.what != "is imported")


{order}
client = openai.OpenAI()
ask = {{"model": "gpt-4o", "messages": [{{"role": "user", "content": "hi"}}]}}
client.chat.completions.create(**ask)
told = list(client.chat.completions.create(stream=True, **ask))
assert spanloom.flush(10).ok
print([span.kind for span in backend.spans], len(theirs.get_finished_spans()))
stream = backend.spans[1].detail
said = "".join(part.text for part in stream.output[0].parts)
print((stream.stream, stream.response_id) == (True, told[0].id),
      said == "".join(c.choices[0].delta.content or "" for c in told if c.choices))
print(found())
print([t.state for h in others.report().integrations for t in h.targets][:2])
OpenAIInstrumentor().uninstrument()
print(found())
spanloom.shutdown()
"""


@pytest.mark.field(
    "A8", "another vendor's instrumentor on as well: it is said, and ours stays single", by="openai"
)
@pytest.mark.parametrize("order", ["ours(); vendor()", "vendor(); ours()"])
def test_both_on_each_records_once_or_it_is_said(order: str) -> None:
    with FakeProvider(seed=7) as provider:
        environ = os.environ | {"OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "none-needed"}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", PROGRAM.format(order=order)],
            env=environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    recorded, streamed, found, states, after = done.stdout.splitlines()
    clients = "AsyncOpenAI", "OpenAI"
    assert (recorded, streamed) == ("['llm', 'llm'] 2", "True True")
    assert found == str([("OpenInference", f"openai.{c}.request", "doubles") for c in clients])
    assert states == "['patched', 'patched']"
    assert after == "[]"


LANGCHAIN = """
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from openinference.instrumentation.langchain import LangChainInstrumentor
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
import spanloom
from spanloom import others
from spanloom.backends.memory import MemoryBackend

theirs = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(theirs))
backend = MemoryBackend()


def ours():
    spanloom.init(backends=[backend])


def vendor():
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    LangChainInstrumentor().instrument(tracer_provider=provider)


{order}
chain = ChatPromptTemplate.from_messages([("user", "{{q}}")]) | ChatOpenAI(model="gpt-4o")
chain.invoke({{"q": "hi"}})
list(chain.stream({{"q": "hi"}}))
assert spanloom.flush(10).ok
print([span.kind for span in backend.spans], len(theirs.get_finished_spans()) >= 8)
print(sorted({{f.where for f in others.report().found if f.effect == "doubles"}}))
"""


@pytest.mark.field(
    "A8", "OpenInference's two instrumentors on as well: our record stays single", by="langchain"
)
@pytest.mark.parametrize("order", ["ours(); vendor()", "vendor(); ours()"])
def test_both_on_over_langchain(order: str) -> None:
    with FakeProvider(seed=7) as provider:
        environ = os.environ | {"OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "none-needed"}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", LANGCHAIN.format(order=order)],
            env=environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    recorded, found = done.stdout.splitlines()
    assert recorded == f"{['task', 'llm', 'task'] * 2} True"
    assert found == str([
        "langchain_core.callbacks.base.BaseCallbackManager.__init__",
        "openai.AsyncOpenAI.request", "openai.OpenAI.request",
    ])  # fmt: skip


def test_doctor_sees_an_instrumentor_that_starts_by_itself(tmp_path: Path) -> None:
    """Another sitecustomize switches it on before the program begins."""
    (tmp_path / "sitecustomize.py").write_text(
        "from openinference.instrumentation.openai import OpenAIInstrumentor\n"
        "OpenAIInstrumentor().instrument()\n"
    )
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "spanloom", "doctor", "--json"],
        env=os.environ | {"PYTHONPATH": path}, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    document = json.loads(done.stdout)
    [row] = [row for row in document["integrations"] if row["name"] == "openai"]
    assert ("OpenInference", "openai.OpenAI.request") in {
        (f["who"], f["where"]) for f in row["foreign"]
    }
    texts = {
        f["area"]: f["text"]
        for f in document["findings"]
        if f["name"] in ("OpenInference", "sitecustomize")
    }
    assert "runs first, then spanloom starts" in texts["startup"]
    assert any("on as soon as openai is imported" in f["text"] for f in document["findings"])
