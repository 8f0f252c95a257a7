"""Switched on, off, twice, late, early, under somebody else's wrapper: no trace is left."""

from __future__ import annotations

import copy
import functools
import importlib
import inspect
import os
import pickle
import subprocess
import sys
from typing import Any

import pytest

import spanloom
from spanloom import patches
from spanloom.testing.contracts.rig import ANSWER, QUESTION, Contract, Rig, play
from spanloom.testing.contracts.scenarios import Way
from spanloom.types import Span


def places(integration: patches.Integration) -> list[tuple[Any, str]]:
    """Owner and attribute of each target that exists in this version of the framework."""
    found: list[tuple[Any, str]] = []
    for row in integration.rows:
        if isinstance(row, patches.Hook):
            continue
        module, _, path = row.target.partition(":")
        owner: Any = importlib.import_module(module)
        *parents, attribute = path.split(".")
        try:
            for parent in parents:
                owner = getattr(owner, parent)
            inspect.getattr_static(owner, attribute)
        except AttributeError:
            if not row.optional:
                raise
            continue
        found.append((owner, attribute))
    return found


MISSING = object()


class PatchingCases(Contract):
    """Install and uninstall at run time."""

    def integration(self) -> patches.Integration:
        """What the entry point offers."""
        for point in patches.available().values():
            if self.scenarios.integration in (point.name, point.module.rpartition(".")[2]):
                loaded: patches.Integration = point.load()
                return loaded
        raise LookupError(f"no entry point offers {self.scenarios.integration!r}")

    def found(self) -> list[Any]:
        """What lies at each target just now: the very objects."""
        return [vars(o).get(name, MISSING) for o, name in places(self.integration())]

    def test_uninstrument_puts_the_originals_back(self, rig: Rig) -> None:
        importlib.import_module(self.scenarios.framework)
        before = self.found()
        for off in (spanloom.shutdown, spanloom.uninstrument, self.off_by_name):
            rig.start()
            self.ask_once(rig)
            rig.one()
            rig.memory.clear()
            off()
            assert all(a is b for a, b in zip(self.found(), before, strict=True)), off
            spanloom.shutdown()

    def off_by_name(self) -> None:
        spanloom.uninstrument(self.scenarios.integration)

    def ask_once(self, rig: Rig) -> None:
        for way in self.scenarios.ways()[:1]:
            rig.answers(ANSWER)
            rig.ask(way)

    def test_uninstrument_ends_the_recording_and_instrument_resumes_it(
        self, rig: Rig, any_way: Way
    ) -> None:
        """With one client all the while, whose methods were bound while we were on."""

        async def case() -> list[int]:
            counts = []
            async with rig.client(any_way.asynchronous) as client:
                for off in (False, True, False):
                    if off:
                        spanloom.uninstrument(self.scenarios.integration)
                    else:
                        spanloom.instrument(self.scenarios.integration)
                    rig.answers(ANSWER)
                    await rig.reading(any_way, client, list(QUESTION))
                    counts.append(len(rig.recorded()))
            return counts

        rig.start()
        assert play(any_way.asynchronous, case()) == [1, 1, 2]

    def test_a_client_made_before_is_recorded(self, rig: Rig, any_way: Way) -> None:
        async def case() -> None:
            async with rig.client(any_way.asynchronous) as client:
                if self.scenarios.binds_late:
                    rig.start()
                rig.answers(ANSWER)
                await rig.reading(any_way, client, list(QUESTION))

        if not self.scenarios.binds_late:
            rig.start()
        play(any_way.asynchronous, case())
        rig.one()

    def test_a_foreign_wrapper_on_top_survives(self, rig: Rig, any_way: Way) -> None:
        """Ours goes silent beneath it, and goes away once the other has."""
        importlib.import_module(self.scenarios.framework)
        before = self.found()
        spots = places(self.integration())
        passed = 0
        rig.start()

        def foreign(inner: Any) -> Any:
            @functools.wraps(inner)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                nonlocal passed
                passed += 1
                return inner(*args, **kwargs)

            return wrapper

        ours = [(owner, name, vars(owner)[name]) for owner, name in spots if name in vars(owner)]
        theirs = [foreign(inner) for _, _, inner in ours]
        for (owner, name, _), wrapper in zip(ours, theirs, strict=True):
            setattr(owner, name, wrapper)
        try:
            rig.answers(ANSWER)
            rig.ask(any_way)
            rig.one()
            spanloom.uninstrument(self.scenarios.integration)
            for (owner, name, _), wrapper in zip(ours, theirs, strict=True):
                assert vars(owner)[name] is wrapper
            rig.answers(ANSWER)
            rig.ask(any_way)
            rig.one()
            assert passed >= 2 or not ours
        finally:
            for owner, name, inner in ours:
                setattr(owner, name, inner)
        spanloom.uninstrument(self.scenarios.integration)
        assert all(a is b for a, b in zip(self.found(), before, strict=True))

    def test_twice_enabled_is_once_recorded(self, rig: Rig, any_way: Way) -> None:
        rig.start()
        rig.start(batch_spans=7)
        spanloom.instrument(self.scenarios.integration)
        spanloom.instrument(self.scenarios.integration)
        rig.answers(ANSWER)
        rig.ask(any_way)
        rig.one()
        spanloom.shutdown()
        rig.start()
        rig.answers(ANSWER)
        rig.ask(any_way)
        assert len(rig.recorded()) == 2

    def test_patched_things_are_what_they_were(self, rig: Rig) -> None:
        """To ``inspect``, ``pickle``, ``copy`` and whoever reads names and signatures."""
        importlib.import_module(self.scenarios.framework)
        spots = places(self.integration())
        before = [described(inspect.getattr_static(owner, name)) for owner, name in spots]
        rig.start()
        for (owner, name), was in zip(spots, before, strict=True):
            now = inspect.getattr_static(owner, name)
            assert described(now) == was
            assert copy.deepcopy(now) is now
            assert pickle.loads(pickle.dumps(now)) is now
            assert pickle.loads(pickle.dumps(owner)) is owner

    # -- our own faults --------------------------------------------------------------------------

    def test_a_failing_extractor_costs_the_detail_not_the_span(
        self, rig: Rig, any_way: Way
    ) -> None:
        def raising(_active: object) -> Any:
            raise ZeroDivisionError("planted")

        def plant() -> None:
            active = spanloom.current_span()
            assert active is not None
            active.extract = raising

        rig.answers(ANSWER)
        bare = rig.ask(any_way)
        rig.start()
        rig.quiet = False
        rig.answers(ANSWER)
        with spanloom.span("around"):
            watched = rig.ask(any_way, inside=plant)
        assert (watched.kind, watched.value) == (bare.kind, bare.value)
        span: Span = rig.one()
        (around,) = rig.memory.find(name="around")
        assert (span.kind, span.status, span.parent_id) == ("llm", "ok", around.span_id)
        assert span.faults == ("extract: ZeroDivisionError",)
        assert span.end_ns is not None and span.end_ns > span.start_ns

    # -- in a process of its own -----------------------------------------------------------------

    @pytest.mark.parametrize("program", ["unimported", "before", "after"])
    def test_in_a_fresh_process(self, rig: Rig, program: str) -> None:
        """``unimported``: we import no framework. Else: ``init()`` before or after its import."""
        scenarios = type(self.scenarios)
        module = inspect.getfile(scenarios)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "spanloom.testing.contracts.child"),
                *(program, module, scenarios.__qualname__),
            ],
            cwd=rig.place,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr


def described(thing: Any) -> list[Any]:
    """What programs ask of a function."""
    names = ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__")
    found = [getattr(thing, name, None) for name in names]
    if callable(thing):
        found.append(inspect.signature(thing))
        found.append(inspect.iscoroutinefunction(thing))
    return found
