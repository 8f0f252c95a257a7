"""The examples on packages that only exist for the newer LangChain."""

from collections import Counter
from typing import Any

from spanloom.testing import FakeProvider

from ..programs import Example, Run, agents, asked, handoffs, script, tools, whole


def test_an_agent(example: Example, provider: FakeProvider, run: Run) -> None:
    both: list[tuple[str, dict[str, Any]]] = [
        ("in_stock", {"item": "kettle"}),
        ("in_stock", {"item": "teapot"}),
    ]
    provider.script(script(both, [("order", {"item": "teapot", "count": 5})], "Ordered."))
    document = example("create_agent")
    whole(document, provider=provider, run=run)
    assert agents(document) == ["storekeeper"]
    assert Counter(tools(document)) == Counter(asked(provider))
    assert len(tools(document)) == 3


def test_a_supervisor(example: Example, provider: FakeProvider, run: Run) -> None:
    provider.script(
        script(
            [("transfer_to_researcher", {})],
            [("population", {"city": "Oslo"}), ("population", {"city": "Bergen"})],
            "717710 and 291940.",
            [("transfer_to_analyst", {})],
            [("divide", {"a": 717710, "b": 291940})],
            "2.46",
            "Oslo is 2.46 times larger.",
        )
    )
    document = example("supervisor")
    whole(document, provider=provider, run=run)
    assert agents(document) == ["supervisor", "researcher", "supervisor", "analyst", "supervisor"]
    assert handoffs(document) == [
        ("supervisor", "researcher"), ("researcher", "supervisor"),
        ("supervisor", "analyst"), ("analyst", "supervisor"),
    ]  # fmt: skip
    done = [tool for tool in tools(document) if not tool[0].startswith("transfer")]
    assert Counter(done) == Counter(asked(provider))


def test_a_swarm(example: Example, provider: FakeProvider, run: Run) -> None:
    provider.script(
        script(
            [("find_flight", {"to": "Oslo"})],
            [("transfer_to_hotels", {})],
            [("find_hotel", {"city": "Oslo"})],
            "Hotel Bristol.",
            [("transfer_to_flights", {})],
            [("find_flight", {"to": "Oslo"})],
            "KL1234.",
        )
    )
    document = example("swarm")
    whole(document, provider=provider, run=run)
    assert agents(document) == ["flights", "hotels", "hotels", "flights"]
    assert handoffs(document) == [("flights", "hotels"), ("hotels", "flights")]
    done = [tool for tool in tools(document) if not tool[0].startswith("transfer")]
    assert done == asked(provider)
