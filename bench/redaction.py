"""What redaction costs: ordinary text of many kinds, each detector's worst text, and a whole span.

Run: ``python bench/redaction.py [--quick]``.

Prints Markdown. CPU of one thread, the least of several rounds, as other work on the machine only adds.
Needs only spanloom; the last table needs the openai SDK too.
"""

import argparse
import json
import random
import runpy
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from spanloom import types as t
from spanloom.processors import RULES, default_chain
from spanloom.processors.rules import find
from spanloom.settings import Settings

WORST: dict[str, str] = runpy.run_path(
    str(Path(__file__).parent.parent / "tests" / "unit" / "texts.py")
)["WORST"]
US_PER_KB = 40
"""The bound on ordinary text."""
US_PER_SPAN = 250
"""The bound on the worker, for the span of a call with 4 KB of text."""

SIZES = (1024, 10 * 1024, 100 * 1024, 1024 * 1024, 10 * 1024 * 1024)

# --- ordinary text

PROSE = {
    "English": "The committee met on Tuesday to discuss the budget for next year, and agreed (after two hours) that "
    "it needs work. Several members asked: what would it cost, and who pays? The model answered in 3.5 seconds; "
    "the summary has 412 words. On 2024-07-18 at 12:30 the vote was 7 to 5. See section 4.2 for details. ",
    "German": "Der Ausschuss trat am Dienstag zusammen, um über den Haushalt für das nächste Jahr zu beraten. Nach zwei "
    "Stunden war klar: Der Vorschlag muss überarbeitet werden. Größere Änderungen kosten etwa 12.500 Euro, "
    "die Prüfung läuft bis zum 18.07.2024 um 12:30 Uhr. Näheres steht in Abschnitt 4.2. ",
    "Chinese": "委员会于星期二开会，讨论明年的预算。经过两个小时的讨论，大家一致认为方案还需要修改。几位委员问："
    "费用是多少，由谁来付？模型用了3.5秒回答，摘要共有412个字。2024年7月18日12:30，表决结果是7比5。详情见第4.2节。",
    "Arabic": "اجتمعت اللجنة يوم الثلاثاء لمناقشة ميزانية العام المقبل، واتفقت بعد ساعتين على أن الاقتراح يحتاج إلى "
    "مزيد من العمل. سأل عدة أعضاء: كم ستكون التكلفة، ومن سيدفع؟ أجاب النموذج في 3.5 ثانية، والملخص من 412 كلمة. "
    "في 2024-07-18 الساعة 12:30 كانت النتيجة 7 مقابل 5. ",
}
MARKDOWN = """## Release {n}

The *worker* now waits for `flush()`; see [the guide](https://docs.example.org/guide/{h}/flush.html#wait).

| setting | default | since |
|---|---:|---|
| `flush_interval_s` | 0.2 | {n}.4 |
| `max_text_bytes` | 65536 | {n}.1 |

- fixed: a span was kept twice ([#{n}](https://git.example.org/o/r/pull/{n}))
- **changed**: `init()` returns at once

```console
$ tool run --quick --json out-{n}.json
```

"""
CODE = '''
class Reader{n}(Base):
    """Reads what was written; see ``write``."""

    limit: int = {n}
    kinds: Final = frozenset({{"text", "image", "audio"}})

    def read(self, path: str, *, encoding: str = "utf-8") -> list[str]:
        with open(path, encoding=encoding) as file:  # closed even where it raises
            return [line.rstrip("\\n") for line in file if not line.startswith("#")]

    async def rows(self, query: str, limit: int = 100) -> AsyncIterator[dict[str, Any]]:
        async for row in self._client.fetch(query, limit=min(limit, self.limit)):
            yield {{"id": row.id, "name": row.name, "at": row.created_at.isoformat()}}
'''


def times(units: random.Random) -> str:
    return f"2024-{units.randint(1, 12):02}-{units.randint(1, 28):02}T{units.randint(0, 23):02}:30:{units.randint(10, 59)}.{units.randint(100, 999)}Z"


def record(rng: random.Random) -> dict[str, Any]:
    """What an API of a shop answers: full of ids, times, prices."""
    return {
        "id": f"chatcmpl-{rng.randbytes(14).hex()}",
        "trace_id": rng.randbytes(16).hex(),
        "uuid": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "order": f"A-{rng.randint(1000, 9999)}-{rng.randint(10, 99)}",
        "order_number": str(rng.randint(10**9, 10**10)),
        "created": rng.randint(1_700_000_000, 1_760_000_000),
        "at": times(rng),
        "price": round(rng.uniform(1, 500), 2),
        "quantity": rng.randint(1, 9),
        "status": rng.choice(("paid", "open", "sent")),
    }


def log_line(rng: random.Random) -> str:
    return (
        f"{times(rng)} {rng.choice(('INFO', 'WARN'))} [worker-{rng.randint(1, 9)}] o.e.shop.orders: GET "
        f"/v1/orders/{rng.randint(10**5, 10**7)}?page={rng.randint(1, 9)} 200 {rng.randint(2, 900)}ms "
        f"request_id={uuid.UUID(int=rng.getrandbits(128), version=4)} bytes={rng.randint(99, 99_999)}\n"
    )


def csv_line(rng: random.Random) -> str:
    name = rng.choice(("chair, oak", "lamp", "desk", "shelf, wide"))
    return f'{rng.randint(1, 99_999)},"{name}",{rng.uniform(1, 500):.2f},{times(rng)[:10]},{rng.randbytes(4).hex()},open\n'


def ordinary(size: int) -> Iterator[tuple[str, Any]]:
    """Kinds of text, and a text or data of that many bytes of UTF-8 (data: as JSON)."""
    rng = random.Random(size)

    def filled(unit: Callable[[], str]) -> str:
        units: list[str] = []
        while sum(map(len, units)) < size:
            units.append(unit())
        return "".join(units).encode()[:size].decode(errors="ignore")

    for language, text in PROSE.items():
        yield f"prose, {language}", filled(lambda text=text: text)  # type: ignore[misc]
    number = iter(range(10, 10**6))
    yield "Markdown", filled(lambda: MARKDOWN.format(n=next(number), h=rng.randbytes(6).hex()))
    yield "code, Python", filled(lambda: CODE.format(n=next(number)))
    yield "log lines", filled(lambda: log_line(rng))
    yield "CSV", "sku,name,price,date,batch,state\n" + filled(lambda: csv_line(rng))
    records = [record(rng) for _ in range(size // 300 + 1)]
    while len(json.dumps(records)) > size and len(records) > 1:
        records.pop()
    yield "JSON with many ids, as text", json.dumps(records)
    yield "the same with spaces", json.dumps(records, indent=2)
    yield "the same, cut", json.dumps(records)[: size - 9]
    yield "the same, as data", records


# --- measuring


def cpu_us(work: Callable[[], object], rounds: int, least_s: float = 0.02) -> float:
    began = time.thread_time()
    work()
    count = max(1, int(least_s / max(time.thread_time() - began, 1e-6)))
    best = float("inf")
    for _ in range(rounds):
        began = time.thread_time()
        for _ in range(count):
            work()
        best = min(best, (time.thread_time() - began) / count)
    return best * 1e6


def span_of(value: Any) -> t.Span:
    part = t.Text(text=value) if type(value) is str else t.ToolResult(result=value)
    call = t.LLMCall(model="gpt-4o", input=(t.Message(role="user", parts=(part,)),))
    return t.Span(
        trace_id=1, span_id=2, name="chat gpt-4o", integration="openai", start_ns=1, end_ns=2, detail=call
    )  # fmt: skip


def table(*head: str) -> None:
    print(f"\n| {' | '.join(head)} |")
    print(f"| --- |{' ---: |' * (len(head) - 1)}")


def row(*cells: object) -> None:
    print(f"| {' | '.join(str(cell) for cell in cells)} |", flush=True)


def ordinary_text(rounds: int) -> None:
    print(f"## Ordinary text: us of CPU per KB, at most {US_PER_KB}")
    (chain,) = default_chain(Settings(hash_key="bench"))
    table("kind", "4 KB", "32 KB", "taken out")
    for (kind, small), (_, large) in zip(ordinary(4096), ordinary(32 * 1024), strict=True):
        cells = []
        for value in (small, large):
            span = span_of(value)
            text = value if type(value) is str else json.dumps(value)
            us = cpu_us(lambda span=span: chain(span), rounds)  # type: ignore[misc]
            cells.append(f"{us / len(text.encode()) * 1024:.1f}")
        row(kind, *cells, len(chain(span_of(large)).redactions))


def worst_text(rounds: int, sizes: tuple[int, ...]) -> None:
    print(
        "\n## The worst text of each detector: ms to screen and search it; factor of time per factor of size"
    )
    table("detector", *(f"{size // 1024:,} KB" for size in sizes), "growth")
    for name, unit in WORST.items():
        (rule,) = [rule for rule in RULES.rules if rule.name == name]

        def both(text: str, rule: Any = rule) -> None:
            RULES.suspects(text)
            find(text, [rule])

        texts = [(unit * (size // len(unit) + 1))[:size] for size in sizes]
        found = [
            cpu_us(lambda text=text: both(text), rounds if len(text) < 10**6 else 1)
            for text in texts
        ]  # type: ignore[misc]
        growth = max(
            b / a / (len(t2) / len(t1))
            for a, b, t1, t2 in zip(found, found[1:], texts, texts[1:], strict=False)
        )
        row(f"`{name}`", *(f"{us / 1000:,.2f}" for us in found), f"{growth:.2f}")


def ours() -> dict[int, float]:
    """CPU so far of each thread that spanloom has started."""
    return {
        thread.ident: time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
        for thread in threading.enumerate()
        if thread.ident and thread.name.startswith("spanloom")
    }


def whole_span(rounds: int) -> None:
    """Calls of the real SDK, answered in the process, with the stock settings and a local record."""
    import httpx2
    import openai

    import spanloom

    rng = random.Random(1)
    words = [PROSE["English"], PROSE["German"], MARKDOWN.format(n=7, h="ab12"), CODE.format(n=7)]

    def text(size: int) -> str:
        units = rng.choices(words, k=size // 300 + 2)
        return f"{rng.randint(1000, 9999)} {' '.join(units)}"[:size]

    def answer(request: Any) -> Any:
        message = {"role": "assistant", "content": text(1024)}
        usage = {"prompt_tokens": 700, "completion_tokens": 250, "total_tokens": 950}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        body = {
            "id": f"chatcmpl-{rng.randbytes(9).hex()}",
            "object": "chat.completion",
            "created": 1763600000,
        }
        body |= {"model": "gpt-4o-2024-08-06", "choices": [choice], "usage": usage}
        return httpx2.Response(200, json=body)

    with tempfile.TemporaryDirectory() as directory:
        spanloom.init(dir=directory, backends=["local"])
        http = httpx2.Client(transport=httpx2.MockTransport(answer))
        client = openai.OpenAI(api_key="any", base_url="http://llm.test/v1", http_client=http)
        found: list[float] = []
        for _ in range(rounds + 1):  # the first one imports and compiles
            before = ours()
            for _ in range(200):
                messages: Any = [{"role": "user", "content": text(3 * 1024)}]
                client.chat.completions.create(model="gpt-4o", messages=messages)
            assert spanloom.flush(30).ok
            found.append(
                sum(cpu - before.get(ident, 0.0) for ident, cpu in ours().items()) / 200 * 1e6
            )
        spanloom.shutdown()
    print(
        f"\n## One call with 4 KB of text: us of CPU on the worker and the lane, at most {US_PER_SPAN}\n"
    )
    print(
        f"{min(found[1:]):.0f} (build, redact, price, encode, write; the least of {rounds} rounds of 200)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, up to 100 KB")
    quick = parser.parse_args().quick
    ordinary_text(3 if quick else 7)
    whole_span(3 if quick else 7)
    worst_text(2 if quick else 3, SIZES[:3] if quick else SIZES)


if __name__ == "__main__":
    main()
