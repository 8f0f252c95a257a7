"""B1, B3, B5, B6: what a call cost, in tokens and in dollars."""

import json
import sys
from typing import Any

import openai
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import spanloom
from spanloom.testing import Chat, FakeProvider
from spanloom.testing.answers import Tokens
from spanloom.types import Usage

from .conftest import Watched
from .programs import Programs

ASK: list[Any] = [{"role": "user", "content": "What is a loom?"}]
NOBODYS_PRICES = "no price is known for loom-1 of openai_compatible"


@pytest.mark.field(
    "B1", "Anthropic's cached tokens are a part of the input, in every backend", by="manual"
)
def test_cached_tokens_count_once(programs: Programs) -> None:
    exporter = InMemorySpanExporter()
    spanloom.init(
        backends=["local", exporter], integrations=[], dir=programs.environ["SPANLOOM_DIR"]
    )
    # as Anthropic's API tells it: 1,000 new, 10,000 read from the cache, 1,000 written to it
    told = {
        "input_tokens": 1_000,
        "cache_read_input_tokens": 10_000,
        "cache_creation_input_tokens": 1_000,
    }
    with spanloom.llm_call(provider="anthropic", model="claude-sonnet-4-20250514") as call:
        call.record(usage={
            "input": sum(told.values()), "output": 500, "cached": told["cache_read_input_tokens"],
            "cache_write": told["cache_creation_input_tokens"],
        })  # fmt: skip
    assert spanloom.flush(10).ok
    (kept,) = programs.kept().calls()
    assert kept.detail.usage == Usage(input=12_000, output=500, cached=10_000, cache_write=1_000)
    # 1,000 at $3, 10,000 at $0.30, 1,000 at $3.75 and 500 at $15 a million
    assert kept.detail.cost is not None
    assert kept.detail.cost.total_usd == 0.01725
    assert sum(kept.detail.cost.components_usd.values()) == pytest.approx(0.01725)
    (sent,) = exporter.get_finished_spans()
    assert sent.attributes is not None
    tokens = {k: v for k, v in sent.attributes.items() if k.startswith("gen_ai.usage.")}
    assert tokens["gen_ai.usage.input_tokens"] == 12_000
    assert tokens["gen_ai.usage.output_tokens"] == 500
    shown = programs.command(sys.executable, "-m", "spanloom", "cost", "--json")
    total = json.loads(programs.wait(shown).out)["total"]
    assert (total["input_tokens"], total["cost_usd"]) == (12_000, 0.01725)


@pytest.mark.field("B3", "a cache hit told by hand costs nothing and says so", by="manual")
def test_a_cache_hit_by_hand_costs_nothing(watched: Watched) -> None:
    with spanloom.llm_call(provider="openai", model="gpt-4o") as call:
        call.record(usage={"input": 1_000, "output": 500}, cache={"kind": "response", "hit": True})
    cost = watched.one().detail.cost
    assert (cost.total_usd, cost.reason) == (0.0, "answered from a cache")


@pytest.mark.field("B5", "an unknown model costs an unknown sum, and why is said")
@pytest.mark.parametrize("stream", [False, True])
def test_unknown_model(watched: Watched, provider: FakeProvider, stream: bool) -> None:
    provider.script([Chat(text="wool", usage=Tokens(prompt=10, completion=5))])
    options: dict[str, Any] = {"stream_options": {"include_usage": True}} if stream else {}
    with openai.OpenAI(base_url=provider.url, api_key="any") as client:
        reply: Any = client.chat.completions.create(
            model="loom-1", messages=ASK, stream=stream, **options
        )
        if stream:
            list(reply)
    with spanloom.llm_call(provider="openai_compatible", model="loom-1", name="by hand") as call:
        call.record(usage={"input": 10, "output": 5})
    for span in watched.spans(kind="llm"):
        assert (span.detail.usage.input, span.detail.usage.output) == (10, 5)
        cost = span.detail.cost
        assert (cost.total_usd, cost.reason) == (None, NOBODYS_PRICES), span.name


@pytest.mark.field("B5", "prices are there without a network, and their date is shown")
def test_prices_offline(programs: Programs, provider: FakeProvider) -> None:
    provider.script([Chat(usage=Tokens(prompt=1_000, completion=500), model="gpt-4o-2024-08-06")])
    programs.run("""
        import os, socket
        connect = socket.socket.connect
        def only(self, address):
            assert f":{address[1]}/" in os.environ["OPENAI_BASE_URL"], f"wants to reach {address}"
            return connect(self, address)
        socket.socket.connect = only

        import openai, spanloom
        spanloom.init()
        with openai.OpenAI() as client:
            client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "hi"}]
            )
        with spanloom.llm_call(provider="openai", model="gpt-4o-2024-08-06") as call:
            call.record(usage={"input": 1_000, "output": 500})
    """)
    costs = [call.detail.cost for call in programs.kept().calls()]
    assert [(c.total_usd, c.prices_date) for c in costs if c] == [(0.0075, "2026-11-10")] * 2
    shown = programs.wait(programs.command(sys.executable, "-m", "spanloom", "cost")).out
    assert "prices  2026-11-10" in shown
    assert "$0.015" in shown


@pytest.mark.field("B6", "tokens stay on their side, and out of the money")
def test_tokens_and_money_stay_apart(programs: Programs, provider: FakeProvider) -> None:
    usage = Tokens(prompt=1_111, completion=2_222, cached=333, reasoning=444)
    provider.script([Chat(usage=usage, model="gpt-5-2025-08-07")])
    programs.run("""
        import openai, spanloom
        spanloom.init()
        with spanloom.workflow("work"):
            with openai.OpenAI() as client:
                client.chat.completions.create(
                    model="gpt-5", messages=[{"role": "user", "content": "hi"}]
                )
            with spanloom.llm_call(provider="openai", model="gpt-5-2025-08-07") as call:
                call.record(usage={
                    "input": 1_111, "output": 2_222, "cached": 333, "reasoning": 444,
                })
    """)
    # 778 at $1.25, 333 at $0.125 and 2,222 at $10 a million
    usd = 0.023234125
    for call in programs.kept().calls():
        counts = call.detail.usage
        assert (counts.input, counts.output) == (1_111, 2_222)
        assert (counts.cached, counts.reasoning) == (333, 444)
        assert call.detail.cost.total_usd == pytest.approx(usd, rel=1e-12)
    shown = programs.command(sys.executable, "-m", "spanloom", "cost", "--json")
    (row,) = json.loads(programs.wait(shown).out)["rows"]
    assert (row["input_tokens"], row["output_tokens"]) == (2 * 1_111, 2 * 2_222)
    assert row["cost_usd"] == pytest.approx(2 * usd, rel=1e-9)
