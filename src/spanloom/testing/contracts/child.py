"""Programs that the contract runs in a process of their own: what depends on who imports first.

``python -m spanloom.testing.contracts.child PROGRAM FILE CLASS``; prints ``fine``.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spanloom.testing.contracts.scenarios import Scenarios, Way
    from spanloom.testing.provider import FakeProvider
    from spanloom.types import Span


def load(file: str, name: str) -> Scenarios:
    """The scenarios by file and class, as a test module may be of no package."""
    spec = importlib.util.spec_from_file_location("contract_scenarios", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(Path(file).parent))
    spec.loader.exec_module(module)
    made: Scenarios = getattr(module, name)()
    return made


def unimported(scenarios: Scenarios) -> None:
    """Neither we, nor ``init``, nor the integration itself imports the framework."""
    import spanloom
    from spanloom import patches
    from spanloom.backends.memory import MemoryBackend

    framework = scenarios.framework
    assert framework not in sys.modules, "the module of the scenarios imports the framework"
    spanloom.init(backends=[MemoryBackend()], signals=False)
    assert framework not in sys.modules, "init() imported the framework"
    for point in patches.available().values():
        if scenarios.integration in (point.name, point.module.rpartition(".")[2]):
            assert point.module not in sys.modules, "loaded before its framework"
            point.load()
    assert framework not in sys.modules, "the integration imports the framework"
    spanloom.shutdown()


def before(scenarios: Scenarios) -> None:
    """``init``, then the import: as it is with ``spanloom run`` and in tidy programs."""
    assert scenarios.framework not in sys.modules
    watched(scenarios, late=False)


def after(scenarios: Scenarios) -> None:
    """The import, then ``init``: as it is in notebooks."""
    importlib.import_module(scenarios.framework)
    watched(scenarios, late=True)


def watched(scenarios: Scenarios, late: bool) -> None:
    import spanloom
    from spanloom.backends.memory import MemoryBackend
    from spanloom.testing.answers import Chat
    from spanloom.testing.provider import FakeProvider

    memory = MemoryBackend()
    ways: list[Way] = [*scenarios.ways(), *scenarios.streams()]
    with FakeProvider(seed=7) as provider:
        only = None if scenarios.beside_others else [scenarios.integration]
        spanloom.init(backends=[memory], integrations=only, signals=False)
        provider.on(lambda _call: True, Chat(text="Once.", finish_reason="stop"))
        for way in ways:
            ask(scenarios, provider, way)
        assert spanloom.flush(10).ok
        spanloom.shutdown()
    found: list[Span] = [s for s in memory.spans if s.integration == scenarios.integration]
    assert len(found) == len(ways), (late, [s.name for s in found])
    workers = [t.name for t in threading.enumerate() if t.name.startswith("spanloom-")]
    assert not [name for name in workers if "testing" not in name], workers


def ask(scenarios: Scenarios, provider: FakeProvider, way: Way) -> None:
    async def case() -> None:
        client = scenarios.client(provider, asynchronous=way.asynchronous)
        result: Any = way.ask(client, [{"role": "user", "content": "hello"}])
        result = await result if hasattr(result, "__await__") else result
        if hasattr(result, "__aiter__"):
            async for _ in result:
                pass
        elif hasattr(result, "__next__"):
            for _ in result:
                pass
        closing = scenarios.close(client)
        if hasattr(closing, "__await__"):
            await closing

    asyncio.run(case())


PROGRAMS = {"unimported": unimported, "before": before, "after": after}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](load(sys.argv[2], sys.argv[3]))
    print("fine")
