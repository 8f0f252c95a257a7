"""Money: forty calls by hand from public price lists, exact; what is not known stays unknown."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import spanloom
from spanloom.backends.memory import MemoryBackend
from spanloom.errors import SpanloomError
from spanloom.prices import bill, library, own
from spanloom.prices.table import Prices
from spanloom.processors.price import load
from spanloom.types import CacheHit, Cost, Embedding, LLMCall, Rerank, Usage

NOON = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp() * 1e9)
NIGHT = int(datetime(2026, 11, 20, 20, tzinfo=UTC).timestamp() * 1e9)
EARLY_2025 = int(datetime(2025, 6, 9, 23, 59, tzinfo=UTC).timestamp() * 1e9)


@pytest.fixture(scope="module")
def prices() -> Prices:
    return Prices([library.shipped()])


def call(provider: str, model: str, **facts: Any) -> LLMCall:
    return LLMCall(provider=provider, response_model=model, **facts)


# what the call was, and the sum of tokens times US dollars a million, worked out by hand
BY_HAND = [
    ("openai", "gpt-4o", Usage(input=1000, output=500), 0.0075),
    ("openai", "gpt-4o-2024-08-06", Usage(input=1000, output=500, cached=400), 0.007),
    ("openai", "gpt-4o-2024-05-13", Usage(input=1000, output=1000), 0.02),
    ("openai", "gpt-4o-mini", Usage(input=10_000, output=2_000), 0.0027),
    ("openai", "gpt-4o-mini-2024-07-18", Usage(input=2048, output=100, cached=1024), 0.0002904),
    ("openai", "gpt-4.1", Usage(input=1_000_000, output=100_000), 2.8),
    ("openai", "gpt-4.1-mini", Usage(input=1234, output=567, cached=1024), 0.0010936),
    ("openai", "gpt-4.1-nano", Usage(input=7, output=3), 0.0000019),
    ("openai", "o1", Usage(input=100, output=2000, reasoning=1500), 0.1215),
    ("openai", "o3-mini", Usage(input=1000, output=3000, reasoning=2500), 0.0143),
    ("openai", "o3", Usage(input=1000, output=1000, cached=500), 0.00925),
    ("openai", "gpt-5", Usage(input=8000, output=1000, cached=6000, reasoning=600), 0.01325),
    ("openai", "gpt-5-mini", Usage(input=8000, output=1000), 0.004),
    ("openai", "gpt-5-nano", Usage(input=100_000, output=10_000), 0.009),
    ("openai", "gpt-4-turbo", Usage(input=3000, output=1000), 0.06),
    ("openai", "gpt-4", Usage(input=1000, output=1000), 0.09),
    ("openai", "gpt-3.5-turbo", Usage(input=4000, output=1000), 0.0035),
    ("openai", "gpt-3.5-turbo-instruct", Usage(input=1000, output=1000), 0.0035),
    ("openai", "text-embedding-3-small", Usage(input=50_000), 0.001),
    ("openai", "text-embedding-3-large", Usage(input=1_000_000), 0.13),
    ("openai", "whisper-1", Usage(audio_s=90), 0.009),
    ("openai", "gpt-4o-transcribe", Usage(input=1000, output=100, input_audio=900), 0.00665),
    ("openai", "gpt-image-1", Usage(input=60, output=1056, input_image=0), 0.04254),
    ("openai", "gpt-image-1", Usage(input=400, output=1056, input_image=300), 0.04574),
    ("openai", "gpt-4o", Usage(input=1000, output=100, searches=2), 0.0235),
    ("azure.ai.openai", "gpt-4o-2024-08-06", Usage(input=1000, output=500), 0.0075),
    ("anthropic", "claude-3-5-sonnet-20241022", Usage(input=1000, output=1000), 0.018),
    # 12,000 in all: 1,000 new, 10,000 read from the cache, 1,000 written to it
    ("anthropic", "claude-sonnet-4-20250514",
     Usage(input=12_000, output=500, cached=10_000, cache_write=1_000), 0.01725),
    ("anthropic", "claude-3-haiku-20240307", Usage(input=2000, output=400), 0.001),
    ("anthropic", "claude-opus-4-1-20250805", Usage(input=1000, output=1000, cache_write=1000), 0.09375),
    # of 2,000 written 1,500 are kept for an hour
    ("anthropic", "claude-haiku-4-5",
     Usage(input=3000, output=100, cache_write=2000, cache_write_1h=1500), 0.005125),
    ("anthropic", "claude-sonnet-4-5", Usage(input=200_000, output=1000), 0.615),
    ("anthropic", "claude-sonnet-4-5", Usage(input=200_001, output=1000), 1.222506),
    ("gcp.gemini", "gemini-2.5-pro", Usage(input=200_000, output=1000), 0.26),
    ("gcp.vertex_ai", "gemini-2.5-pro", Usage(input=300_000, output=1000, cached=100_000), 0.54),
    ("gcp.gemini", "gemini-2.5-flash", Usage(input=1000, output=1000, input_audio=500), 0.00315),
    ("gcp.gemini", "gemini-2.0-flash", Usage(input=10_000, output=1000), 0.0014),
    ("groq", "llama-3.3-70b-versatile", Usage(input=1000, output=1000), 0.00138),
    ("groq", "whisper-large-v3", Usage(audio_s=600), 0.0185),
    ("x_ai", "grok-3", Usage(input=1000, output=1000, cached=200), 0.01755),
    ("cohere", "command-r-plus", Usage(input=1000, output=1000), 0.0125),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "model", "usage", "usd"), BY_HAND)
def test_a_call_by_hand(
    prices: Prices, provider: str, model: str, usage: Usage, usd: float
) -> None:
    cost = bill.price(call(provider, model, usage=usage), NOON, prices)
    assert cost.total_usd == usd, cost
    assert cost.total_usd == pytest.approx(sum(cost.components_usd.values()), rel=1e-12)
    assert (cost.source, cost.prices_date, cost.reason) == ("prices", "2026-11-10", None)


def test_components_do_not_overlap(prices: Prices) -> None:
    usage = Usage(input=12_000, output=500, cached=10_000, cache_write=1_000, reasoning=300)
    cost = bill.price(call("anthropic", "claude-sonnet-4-20250514", usage=usage), NOON, prices)
    assert cost.components_usd == {
        "cache_write": 0.00375, "cached": 0.003, "input": 0.003, "reasoning": 0.0045, "output": 0.003,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tier", "usd"),
    [(None, 0.01125), ("default", 0.01125), ("flex", 0.005625), ("priority", 0.0225), ("batch", 0.005625)],
)  # fmt: skip
def test_service_tiers(prices: Prices, tier: str | None, usd: float) -> None:
    asked = call("openai", "gpt-5", usage=Usage(input=1000, output=1000), service_tier=tier)
    assert bill.price(asked, NOON, prices).total_usd == usd


def test_the_time_of_the_call_counts(prices: Prices) -> None:
    o3 = call("openai", "o3", usage=Usage(input=1000, output=1000))
    assert bill.price(o3, EARLY_2025, prices).total_usd == 0.05
    assert bill.price(o3, NOON, prices).total_usd == 0.01
    chat = call("deepseek", "deepseek-chat", usage=Usage(input=1000, output=1000))
    assert bill.price(chat, NOON, prices).total_usd == 0.00137
    assert bill.price(chat, NIGHT, prices).total_usd == 0.000685


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (call("openai", "gpt-99", usage=Usage(input=1)), "no price is known for gpt-99 of openai"),
        (call("ollama", "gpt-4o", usage=Usage(input=1)), "no price is known for gpt-4o of ollama"),
        (call("openai", "gpt-4o"), "no usage is known"),
        (call("openai", "gpt-4o", usage=Usage(total=9)), "the usage tells of no tokens"),
        (LLMCall(provider="openai", usage=Usage(input=1)), "no model is known"),
        (
            call("openai", "gpt-4o-audio-preview", usage=Usage(input=90, input_audio=80)),
            "gpt-4o-audio-preview has no price for input_audio",
        ),
        (Rerank(provider="nobody", model="r"), "no price is known for r of nobody"),
    ],
)
def test_unknown_is_absent_and_says_why(prices: Prices, asked: Any, reason: str) -> None:
    """B5: never zero, never a guess."""
    cost = bill.price(asked, NOON, prices)
    assert (cost.total_usd, cost.components_usd, cost.reason) == (None, {}, reason)


def test_nothing_used_costs_nothing(prices: Prices) -> None:
    cost = bill.price(call("openai", "gpt-4o", usage=Usage(input=0, output=0)), NOON, prices)
    assert cost.total_usd == 0.0


def test_a_framework_s_cache_costs_nothing(prices: Prices) -> None:
    """B3."""
    hit = call("openai", "gpt-4o", cache=CacheHit(kind="response"))
    assert bill.price(hit, NOON, prices) == Cost(total_usd=0.0, reason="answered from a cache")


def test_behind_a_gateway_the_maker_s_rates_hold_and_it_is_said(prices: Prices) -> None:
    asked = call("openai_compatible", "gpt-4o", usage=Usage(input=1000, output=500))
    cost = bill.price(asked, NOON, prices)
    assert cost.total_usd == 0.0075
    assert cost.reason == "at the rates of openai: who answered is not known"
    local = call("openai_compatible", "llama-3.3-70b-versatile", usage=Usage(input=1))
    assert bill.price(local, NOON, prices).total_usd is None, "anybody may run it for himself"


def test_the_model_that_answered_counts_then_the_one_asked_for(prices: Prices) -> None:
    deployment = LLMCall(
        provider="azure.ai.openai", model="my-deployment", response_model="gpt-4o-2024-08-06",
        usage=Usage(input=1000),
    )  # fmt: skip
    assert bill.price(deployment, NOON, prices).total_usd == 0.0025
    odd = LLMCall(
        provider="openai", model="gpt-4o", response_model="snapshot-7", usage=Usage(input=1000)
    )
    assert bill.price(odd, NOON, prices).total_usd == 0.0025


def test_every_rate_and_pattern_of_the_shipped_table_can_be_used() -> None:
    table = library.shipped()
    prices = Prices([table])
    models = [(provider, model) for provider in table.providers for model in provider.models]
    assert len(models) > 2000
    for provider, model in models:
        for name in model.names[:2]:
            assert prices.find(provider.id, name) is not None
        prices.find(provider.id, "no such model ever")
        for period in model.periods:
            assert period.rates or len(model.periods) > 1
            assert all(at is None or len(at) == 10 for at in [period.since])


# -- own prices --------------------------------------------------------------------------------

OWN = """
[[model]]
name = "gpt-4o*"
input = 1
output = 2.5

[[model]]
provider = "openai_compatible"
name = "llama-*"
input = 0.1
cached = 0.05
output = 0.2
since = 2026-01-01
"""


def own_file(tmp_path: Path, text: str = OWN) -> Path:
    tomllib.loads(text)
    path = tmp_path / "prices.toml"
    path.write_text(text)
    return path


def test_own_prices_come_first(tmp_path: Path) -> None:
    prices = load(str(own_file(tmp_path)))
    cost = bill.price(
        call("openai", "gpt-4o-mini", usage=Usage(input=1000, output=1000)), NOON, prices
    )
    assert (cost.total_usd, cost.source) == (0.0035, "own_prices")
    assert cost.prices_date == datetime.now(UTC).date().isoformat()
    theirs = bill.price(call("openai", "o1", usage=Usage(input=1000)), NOON, prices)
    assert (theirs.total_usd, theirs.source) == (0.015, "prices")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[model]]\nname = 'x'\ninput = 'much'", "input 'much' of 'x' is no price; give US dollars"),
        ("[[model]]\nname = 'x'\ninput = -1", "input -1 of 'x' is no price"),
        ("[[model]]\nname = 'x'\nprompt = 1", "'prompt' of 'x' is not known; known: input, cached"),
        ("[[model]]\nname = 'x'", "'x' has no rate; give at least one of input"),
        ("[[model]]\ninput = 1", "name None of a [[model]] is no text; write name ="),
        ("[[model]]\nname = 'x'\ninput = 1\nsince = '2026'", "since '2026' of 'x' is no date"),
        ("[x]\ninput = 1", "has 'x'; give one table [[model]] for each model"),
    ],
)  # fmt: skip
def test_wrong_own_prices_name_key_value_and_fix(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SpanloomError) as caught:
        own.read(own_file(tmp_path, text))
    assert said in str(caught.value)


def test_own_prices_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The shipped ones hold, and it is said."""
    monkeypatch.delenv("SPANLOOM_STRICT")
    (tmp_path / "broken.toml").write_text("[[model")
    for name, why in (("none.toml", "No such file"), ("broken.toml", "is no TOML")):
        prices = load(str(tmp_path / name))
        gpt = call("openai", "gpt-4o", usage=Usage(input=1000))
        assert bill.price(gpt, NOON, prices).total_usd == 0.0025
        assert why in caplog.text


# -- the stage ---------------------------------------------------------------------------------


def test_spans_are_priced_on_their_way() -> None:
    memory = MemoryBackend()
    spanloom.init(backends=[memory], integrations=[])
    with spanloom.llm_call(provider="openai", model="gpt-4o") as asked:
        asked.record(usage={"input": 1000, "output": 500})
    with spanloom.llm_call(provider="openai", model="gpt-4o") as told:
        told.record(usage={"input": 1000}, cost={"total_usd": 0.5, "source": "gateway"})
    with spanloom.embedding("e", provider="openai", model="text-embedding-3-small") as embed:
        embed.record(usage={"input": 50_000})
    with pytest.raises(LookupError), spanloom.llm_call(provider="openai", model="gpt-4o"):
        raise LookupError("nothing was used")
    spanloom.flush(10)
    first, second, third, fourth = (span.detail for span in memory.spans)
    assert isinstance(first, LLMCall) and first.cost is not None
    assert (first.cost.total_usd, first.cost.prices_date) == (0.0075, "2026-11-10")
    assert isinstance(second, LLMCall)
    assert second.cost == Cost(total_usd=0.5, source="gateway"), "the provider's own word stands"
    assert isinstance(third, Embedding) and third.cost is not None
    assert third.cost.total_usd == 0.001
    assert isinstance(fourth, LLMCall) and fourth.cost is None


def test_a_fault_in_pricing_costs_the_price_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("SPANLOOM_STRICT")
    memory = MemoryBackend()
    spanloom.init(backends=[memory], integrations=[])
    monkeypatch.setattr(library, "SHIPPED", Path("/nowhere/at/all.json"))
    with spanloom.llm_call(provider="openai", model="gpt-4o") as asked:
        asked.record(usage={"input": 1000}, output="hello")
    spanloom.flush(10)
    (span,) = memory.spans
    assert isinstance(span.detail, LLMCall) and span.detail.output
    assert span.detail.cost == Cost(reason="pricing failed: FileNotFoundError")


def test_the_setting_names_the_file(tmp_path: Path) -> None:
    memory = MemoryBackend()
    spanloom.init(backends=[memory], integrations=[], prices=str(own_file(tmp_path)))
    with spanloom.llm_call(provider="openai", model="gpt-4o") as asked:
        asked.record(usage={"input": 1_000_000})
    spanloom.flush(10)
    (detail,) = (span.detail for span in memory.spans)
    assert isinstance(detail, LLMCall) and detail.cost is not None
    assert (detail.cost.total_usd, detail.cost.source) == (1.0, "own_prices")


def test_tables_are_read_once_and_only_when_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str | None] = []

    def noted(path: str | None) -> Prices:
        read.append(path)
        return load(path)

    monkeypatch.setattr("spanloom.processors.price.load", noted)
    spanloom.init(backends=[MemoryBackend()], integrations=[])
    with spanloom.task("t"):
        pass
    spanloom.flush(10)
    assert read == []
    for _ in range(2):
        with spanloom.llm_call(provider="openai", model="gpt-4o") as asked:
            asked.record(usage={"input": 1000})
    spanloom.flush(10)
    assert read == [None]
