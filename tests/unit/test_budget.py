"""Budgets count what was priced, warn, forget, and stop a program only where it asked for that."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import openai
import pytest

import spanloom
from spanloom import budgets
from spanloom.backends.memory import MemoryBackend
from spanloom.errors import SpanloomError
from spanloom.testing import Chat, FakeProvider, Tokens

ASK: list[Any] = [{"role": "user", "content": "hi"}]


@pytest.fixture
def memory() -> MemoryBackend:
    backend = MemoryBackend()
    spanloom.init(backends=[backend])
    return backend


@pytest.fixture
def dear(memory: MemoryBackend) -> Any:
    """A client each of whose calls costs 0.30 USD."""
    with FakeProvider(seed=1) as provider:
        provider.on("/chat/completions", Chat(usage=Tokens(prompt=100_000, completion=5_000)))
        with openai.OpenAI(base_url=provider.url, api_key="any", max_retries=0) as client:

            def ask() -> None:
                client.chat.completions.create(model="gpt-4o", messages=ASK)
                spanloom.flush(10)

            ask.provider = provider  # type: ignore[attr-defined]
            yield ask


def test_counts_every_call_of_the_process(dear: Callable[[], None]) -> None:
    budget = spanloom.budget("all", limit_usd=10, window="1h")
    dear()
    dear()
    assert budget.spent_usd == pytest.approx(0.6)
    assert (budget.left_usd, budget.exceeded) == (pytest.approx(9.4), False)
    assert spanloom.stats()["budgets"]["all"]["spent_usd"] == pytest.approx(0.6)


def test_a_block_counts_its_calls_alone(dear: Callable[[], None], memory: MemoryBackend) -> None:
    outer = spanloom.budget("outer", limit_usd=10, window="1h")
    inner = spanloom.budget("inner", limit_usd=10, window="1h")
    with outer:
        dear()
        with inner, spanloom.agent("a"):
            thread = threading.Thread(target=dear)
            thread.start()
            thread.join()
    dear()
    assert (outer.spent_usd, inner.spent_usd) == (pytest.approx(0.6), pytest.approx(0.3))
    calls = [span.budgets for span in memory.spans if span.kind == "llm"]
    assert calls == [("outer",), ("outer", "inner"), ()]


async def test_blocks_of_tasks_do_not_mix(memory: MemoryBackend) -> None:
    budget = spanloom.budget("b", limit_usd=10, window="1h")
    one = asyncio.Event()

    async def inside() -> None:
        async with budget:
            one.set()
            await asyncio.sleep(0.01)
            with spanloom.llm_call(provider="openai", model="gpt-4o") as call:
                call.record(usage={"input": 1_000_000})

    async def outside() -> None:
        await one.wait()
        with spanloom.llm_call(provider="openai", model="gpt-4o") as call:
            call.record(usage={"input": 1_000_000})

    await asyncio.gather(inside(), outside())
    spanloom.flush(10)
    assert budget.spent_usd == 2.5


def test_warns_once_at_each_mark(
    dear: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    spanloom.budget("small", limit_usd=1, window="1d")
    for _ in range(5):
        dear()
    told = [r.getMessage() for r in caplog.records if "budget" in r.getMessage()]
    assert told == [
        "spanloom budget small: 90 % of $1 in 1d is spent ($0.9000)",
        "spanloom budget small: 120 % of $1 in 1d is spent ($1.2000)",
    ]


def test_hard_stops_before_the_call(dear: Any) -> None:
    budget = spanloom.budget("hard", limit_usd=0.5, window="1h", hard=True)
    with budget:
        dear()
        dear()
        with pytest.raises(
            spanloom.BudgetExceeded, match=r"budget 'hard': \$0.6000 of \$0.5 in 1h"
        ):
            dear()
        with pytest.raises(spanloom.BudgetExceeded), spanloom.llm_call(model="gpt-4o"):
            pytest.fail("the block must not run")
    dear()  # outside of it nothing stops
    assert len(dear.provider.exchanges) == 3
    with pytest.raises(spanloom.BudgetExceeded), budget:
        pytest.fail("the block must not be entered")


async def test_hard_stops_an_async_call(memory: MemoryBackend) -> None:
    with FakeProvider(seed=1) as provider:
        spanloom.budget("hard", limit_usd=0.000001, window="1h", hard=True)
        async with openai.AsyncOpenAI(base_url=provider.url, api_key="any") as client:
            await client.chat.completions.create(model="gpt-4o", messages=ASK)
            spanloom.flush(10)
            with pytest.raises(spanloom.BudgetExceeded):
                await client.chat.completions.create(model="gpt-4o", messages=ASK)
        assert len(provider.exchanges) == 1


def test_soft_never_stops(dear: Callable[[], None]) -> None:
    budget = spanloom.budget("soft", limit_usd=0.1, window="1h")
    with budget:
        dear()
        dear()
    assert budget.exceeded


def test_spending_is_forgotten_with_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(budgets.time, "time", lambda: now)
    budget = spanloom.budget("w", limit_usd=10, window=600)
    for minute in range(20):
        now = 1_000_000.0 + minute * 61
        budgets.spend((), 1.0, int(now * 1e9))
        assert budget.spent_usd == min(minute + 1, 10), minute
    now += 601
    assert budget.spent_usd == 0
    budgets.spend((), 1.0, int((now - 700) * 1e9))
    assert budget.spent_usd == 0, "it began before the window"
    for _ in range(10_000):
        budgets.spend((), 0.001, int(now * 1e9))
    assert len(budget._spent) == 1


def test_the_same_name_is_the_same_budget() -> None:
    first = spanloom.budget("x", limit_usd=1, window="1h")
    budgets.spend((), 0.5, int(budgets.time.time() * 1e9))
    again = spanloom.budget("x", limit_usd=5, window="1h", hard=True)
    assert again is first
    assert (again.spent_usd, again.limit_usd, again.hard) == (0.5, 5.0, True)


@pytest.mark.parametrize(
    ("limit", "window", "said"),
    [
        (0, "1h", "limit_usd 0 is none"),
        ("5", "1h", "limit_usd '5' is none"),
        (float("nan"), "1h", "limit_usd nan is none"),
        (5, "often", "window 'often' is none"),
        (5, -1, "window -1 is none"),
    ],
)
def test_wrong_use_names_value_and_fix(limit: Any, window: Any, said: str) -> None:
    with pytest.raises(SpanloomError) as caught:
        spanloom.budget("b", limit_usd=limit, window=window)
    assert said in str(caught.value)
    assert "give US dollars above 0 and a time such as 3600" in str(caught.value)


def test_wrong_use_never_stops_a_program(
    monkeypatch: pytest.MonkeyPatch, dear: Callable[[], None]
) -> None:
    monkeypatch.delenv("SPANLOOM_STRICT")
    with spanloom.budget("b", limit_usd=-1, window="1h", hard=True) as budget:
        dear()
        dear()
    assert not budget.exceeded
