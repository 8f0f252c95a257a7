"""H1, H2, H4, H5: what recording costs the program in memory, time and imports."""

import asyncio
import base64
import gc
import hashlib
import json
import os
import subprocess
import sys
import time
import tracemalloc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

import spanloom
from spanloom.testing import Chat, Error, FakeProvider

from .conftest import Watched
from .memory import Nowhere, blocks, growth
from .programs import Kept, Programs

ASK: list[Any] = [{"role": "user", "content": "hi"}]


@pytest.fixture
def far_client() -> Iterator[Any]:
    """A client of a provider in another process: its memory is not ours to measure."""
    command = [sys.executable, "-m", "spanloom.testing.provider", "--seed=7"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin and process.stdout
        url = process.stdout.readline().strip()
        with openai.OpenAI(base_url=url, api_key="any", max_retries=0) as client:
            yield client
        process.stdin.close()


# Of one call 40 bytes may stay: less than any object that it could leave behind.
LEFT = 40


@pytest.mark.field("H1", "10,000 recorded calls leave memory flat", by="manual")
def test_memory_of_calls_by_hand() -> None:
    backend = Nowhere()
    spanloom.init(backends=[backend])

    def work(count: int) -> None:
        for number in range(count):
            with spanloom.session(f"s{number}"), spanloom.agent("a"):
                with spanloom.llm_call(model="m", input="hi" * 50) as call:
                    call.record(output="x" * 100, usage={"input": 1, "output": 2})
            if not number % 500:
                spanloom.flush(10)

    assert growth(work, 10_000, 500) < 10_000 * LEFT
    assert backend.seen == 21_000


@pytest.mark.field("H1", "10,000 calls of the SDK leave memory flat", by="openai")
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("stream", "count"), [(False, 9_000), (True, 1_000)])
def test_memory_of_calls(far_client: openai.OpenAI, stream: bool, count: int) -> None:
    backend = Nowhere()
    spanloom.init(backends=[backend])

    def work(count: int) -> None:
        for _ in range(count):
            reply = far_client.chat.completions.create(model="gpt-4o", messages=ASK, stream=stream)
            if stream:
                list(reply)

    # not one block of ten calls stays; the SDK and its HTTP client keep some caches of their own
    assert blocks(work, count, 200) < count // 10 + 100
    assert backend.seen == count + 200


@pytest.mark.field("H1", "1,000 runs that never end leave memory flat", by="manual")
async def test_memory_of_unfinished_runs() -> None:
    spanloom.init(backends=[Nowhere()], flush_interval_s=0.02)

    async def run() -> None:
        spanloom.workflow("run", input="x" * 1000).__enter__()
        spanloom.agent("agent").__enter__()
        await asyncio.sleep(0)

    async def rounds(count: int) -> None:
        for _ in range(count // 50):
            await asyncio.gather(*(asyncio.create_task(run()) for _ in range(50)))
            await asyncio.sleep(0.002)

    async def settled() -> int:
        await asyncio.sleep(0.2)
        assert spanloom.flush(10).pending == 0
        gc.collect()
        await asyncio.sleep(0.2)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        await rounds(500)
        before = await settled()
        await rounds(1000)
        assert await settled() - before < 1000 * LEFT * 2
        assert spanloom.stats()["open"] == 0
    finally:
        tracemalloc.stop()


@pytest.mark.field("H1", "streams that nobody reads leave no span behind", by="openai")
def test_memory_of_unread_streams(far_client: openai.OpenAI) -> None:
    """The SDK's connection pool keeps the response of each; what is ours to answer for is the rest."""

    def work(count: int) -> None:
        for _ in range(count):
            far_client.chat.completions.create(model="gpt-4o", messages=ASK, stream=True)
        gc.collect()

    plain = growth(work, 100, 20)
    backend = Nowhere()
    spanloom.init(backends=[backend])
    ours = growth(work, 100, 20)
    # two closures on each response that the pool keeps; a span with its request would be 5 KB more
    assert ours - plain < 100 * 2_500
    assert backend.seen == 120
    assert spanloom.stats()["open"] == 0


# -- H2 -------------------------------------------------------------------------------------------

SIZES = """
    import base64, json, os, pathlib, sys, time
    import openai, spanloom

    what, on = sys.argv[1:]
    if on == "on":
        spanloom.init()
    image = "data:image/png;base64," + base64.b64encode(os.urandom(2_000_000)).decode()
    messages = {
        "prompt": lambda: [{"role": "user", "content": "wörd and more text " * 1_500_000}],
        "image": lambda: [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": image}}]}],
        "messages": lambda: [{"role": "user", "content": f"message {n}"} for n in range(10_000)],
    }[what]()
    client = openai.OpenAI()
    client.models.list()
    def call():
        begun = time.perf_counter()
        client.chat.completions.create(model="gpt-4o", messages=messages)
        return time.perf_counter() - begun
    took = min(call() for _ in range(2))
    begun = time.perf_counter()
    if on == "on":
        assert spanloom.flush(30).ok
    client.close()
    took_delivery = time.perf_counter() - begun
    # not getrusage, whose peak begins with that of the process that started this one
    status = pathlib.Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
    print(json.dumps([took, took_delivery, peak]))
"""


@pytest.mark.field(
    "H2", "a 30 MB prompt, a 2 MB image, 10,000 messages: bounded time and memory", by="openai"
)
@pytest.mark.parametrize("what", ["prompt", "image", "messages"])
def test_large_calls(programs: Programs, provider: FakeProvider, what: str) -> None:
    provider.on("/chat/completions", Chat(text="ok"))
    plain = json.loads(programs.run(SIZES, what, "off").out)
    ours = json.loads(programs.run(SIZES, what, "on").out)
    size = {"prompt": 30e6, "image": 2.7e6, "messages": 1e6}[what]
    assert ours[0] < plain[0] * 2 + 0.1, "on the program's thread"
    assert ours[1] < 15, "until it is delivered"
    assert ours[2] - plain[2] < 3 * size + 30e6, "memory"
    kept = programs.kept()
    assert len(kept.calls()) == 2
    written = sum(p.stat().st_size for p in programs.record.glob("traces/*/*"))
    assert written < 2 * (4 << 20)
    if what == "messages":
        assert len(kept.calls()[0].detail.input) == 10_000
    if what == "prompt":
        assert all(call.truncated for call in kept.calls())


@pytest.mark.field("H2", "an image is stored once under its hash, with a reference on each span")
def test_image_is_stored_once(tmp_path: Path, client: openai.OpenAI) -> None:
    data = os.urandom(2_000_000)
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    spanloom.init(backends=["local"])
    ask: Any = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]
    for _ in range(3):
        client.chat.completions.create(model="gpt-4o", messages=ask)
    with spanloom.tool("by hand", input={"picture": data, "again": url}):
        pass
    assert spanloom.flush(10).ok
    folder = tmp_path / ".spanloom"
    name = hashlib.sha256(data).hexdigest()
    (blob,) = (folder / "blobs").iterdir()
    assert blob.name == name
    assert blob.read_bytes() == data
    kept = Kept(folder)
    for call in kept.calls():
        (part,) = call.detail.input[0].parts
        assert (part.sha256, part.size_bytes, part.mime_type) == (name, len(data), "image/png")
    given = kept.one("by hand").detail.input
    assert [given[key]["sha256"] for key in ("picture", "again")] == [name, name]
    assert sum(p.stat().st_size for p in folder.rglob("*.jsonl")) < 20_000


@pytest.mark.field(
    "H2", "a huge value given by hand costs the program's thread nothing", by="manual"
)
def test_large_values_by_hand(watched: Watched) -> None:
    text = "wörd and more " * 2_200_000
    # CPU of this thread: the worker is at it meanwhile
    begun = time.thread_time()
    with spanloom.llm_call(model="m", input=text) as call:
        call.record(output=text)
    with spanloom.task("t", input=[{"n": n} for n in range(10_000)]):
        pass
    assert time.thread_time() - begun < 0.05
    begun = time.perf_counter()
    call_span, task = watched.spans()
    assert time.perf_counter() - begun < 10
    assert call_span.truncated
    assert len(call_span.detail.output[0].parts[0].text) < 1 << 20
    assert len(task.detail.input) == 10_000


# -- H4 -------------------------------------------------------------------------------------------


@pytest.mark.field("H4", "neither import nor init brings in a framework or an exporter")
def test_imports(programs: Programs) -> None:
    ran = programs.run("""
        import sys
        before = set(sys.modules)
        import spanloom
        spanloom.init()
        with spanloom.agent("a"), spanloom.tool("t"):
            pass
        spanloom.flush()
        print(*{name.partition(".")[0] for name in set(sys.modules) - before})
    """)
    # msgspec takes typing_extensions where it finds it
    known = {"spanloom", "msgspec", "wrapt", "typing_extensions"} | sys.stdlib_module_names
    assert {n for n in ran.out.split() if n not in known and not n.startswith("_")} == set()


# -- H5 -------------------------------------------------------------------------------------------


@pytest.mark.field("H5", "once a call is drained nothing of it is held", by="openai")
def test_nothing_is_held(watched: Watched, client: openai.OpenAI, provider: FakeProvider) -> None:
    provider.script([Chat(text="a b c", chunks=3)] * 3)

    class Message(dict):  # type: ignore[type-arg]
        """A dict that can be referred to weakly."""

    held: list[Any] = []
    for stream in (False, True):
        message = Message(role="user", content="hi")
        reply: Any = client.chat.completions.create(
            model="gpt-4o", messages=[message], stream=stream
        )
        things = [message, reply]
        if stream:
            things += [reply.response, *reply]
        held += map(weakref.ref, things)
    provider.script([Error(400)])
    try:
        client.chat.completions.create(model="gpt-4o", messages=ASK)
    except openai.BadRequestError as error:
        held += map(weakref.ref, (error, error.response))
    assert len(watched.spans()) == 3
    del message, reply, things, stream
    gc.collect()
    assert [ref() for ref in held] == [None] * len(held)


@pytest.mark.field("H5", "values given by hand are let go once they are drained", by="manual")
def test_nothing_is_held_by_hand(watched: Watched) -> None:
    class Failure(Exception):
        pass

    class Thing:
        def __repr__(self) -> str:
            return "thing"

    @spanloom.tool
    def makes(given: Any) -> Any:
        spanloom.set_attributes(also=given)
        return Thing()

    thing = Thing()
    held = [weakref.ref(thing), weakref.ref(makes(thing))]
    try:
        with spanloom.task("fails", input=thing):
            raise Failure(thing)
    except Failure as error:
        held.append(weakref.ref(error))
    assert len(watched.spans()) == 2
    del thing
    gc.collect()
    assert [ref() for ref in held] == [None] * 3


@pytest.mark.field("H5", "a request changed after the call does not change the record")
def test_changed_afterwards(watched: Watched, client: openai.OpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": [{"type": "text", "text": "first"}]}]

    @spanloom.tool
    def keeps(given: Any) -> None:
        given.append("later")
        given[0]["content"] = "later"

    given: list[Any] = [{"content": "first"}]
    stream = client.chat.completions.create(model="gpt-4o", messages=messages, stream=True)
    messages[0]["content"][0]["text"] = "later"
    messages.append({"role": "user", "content": "later"})
    list(stream)
    client.chat.completions.create(model="gpt-4o", messages=messages[1:])
    messages[1]["content"] = "much later"
    keeps(given)
    first, second, tool = watched.spans()
    assert [p.text for m in first.detail.input for p in m.parts] == ["first"]
    assert [p.text for m in second.detail.input for p in m.parts] == ["later"]
    assert tool.detail.input == {"given": [{"content": "first"}]}
