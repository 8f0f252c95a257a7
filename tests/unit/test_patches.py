"""The patch engine and the import hook, with frameworks made up for each test."""

import asyncio
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import spanloom
from spanloom import imports, patches
from spanloom.patches import Hook, Integration, Observe, Patch, Start
from spanloom.types import Task

SOURCE = """
class Base:
    def inherited(self, x):
        return ("inherited", x)

class Client(Base):
    def create(self, x=0):
        if x == "fail":
            raise ValueError("theirs")
        return ("made", x)
    async def acreate(self, x=0):
        return ("amade", x)
    @staticmethod
    def static(x):
        return ("static", x)
    @classmethod
    def over_class(cls, x):
        return (cls.__name__, x)
    def retry(self):
        return self.create("again")

def function(x):
    return ("function", x)

constant = 7
"""


def begin(instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Start:
    return Start(name="call", kind="task", extract=lambda a: Task(input=a.request), request=args)


def row(target: str, **more: Any) -> Patch:
    return Patch(target=target, begin=begin, **more)


@pytest.fixture
def framework(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a package ``f...`` with a submodule ``late``, neither imported yet."""
    name = f"f{abs(hash(str(tmp_path))):x}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text(SOURCE)
    (tmp_path / name / "late.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    patches.disable()
    for module in (name, f"{name}.late"):
        sys.modules.pop(module, None)
        imports._waiting.pop(module, None)
        patches._hooked.discard(module)
    for live in [n for n in patches._live if n.startswith("made")]:
        del patches._live[live]


@pytest.fixture
def installed(framework: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Integration]:
    """``installed(rows)`` offers an integration ``made`` under an entry point."""
    known: dict[str, Any] = {}
    monkeypatch.setattr(patches, "available", lambda: dict(known))

    def offer(*rows: Any, name: str = "made", wake: str = framework) -> Integration:
        integration = Integration(name=name, package=framework, supports=">=1", rows=rows)

        class Point(EntryPoint):
            def load(self) -> Any:
                return integration

        known[wake] = Point(wake, f"anywhere.{name}:INTEGRATION", patches.GROUP)
        return integration

    return offer


def test_patch_before_the_import(start: Any, framework: str, installed: Any) -> None:
    installed(row(f"{framework}:Client.create"), row(f"{framework}.late:function"))
    rec = start(integrations=None)
    assert framework not in sys.modules, "only the program imports it"
    module = importlib.import_module(framework)
    assert module.Client().create(1) == ("made", 1)
    assert f"{framework}.late" not in sys.modules
    late = importlib.import_module(f"{framework}.late")
    assert late.function(2) == ("function", 2)
    assert [list(s.detail.input) for s in rec.spans()] == [[1], [2]]
    assert {s.integration for s in rec.spans()} == {"made"}


def test_patch_after_the_import(start: Any, framework: str, installed: Any) -> None:
    module = importlib.import_module(framework)
    client = module.Client()
    bound = module.function
    installed(row(f"{framework}:Client.create"), row(f"{framework}:function"))
    rec = start(integrations=None)
    client.create(1)
    bound(2)  # taken before: not ours to reach
    assert len(rec.spans()) == 1


def test_the_module_sees_its_own_loader(start: Any, framework: str, installed: Any) -> None:
    installed(row(f"{framework}:function"))
    start(integrations=None)
    spec = importlib.util.find_spec(framework)
    assert spec is not None
    module = importlib.import_module(framework)
    plain = importlib.import_module("json")
    assert type(module.__spec__.loader) is type(plain.__spec__.loader)
    assert module.__loader__ is module.__spec__.loader
    assert inspect.getsource(module) == SOURCE
    importlib.reload(module)
    assert type(module.__spec__.loader) is type(plain.__spec__.loader)


def test_an_import_that_fails_fails_as_before(
    start: Any, framework: str, installed: Any, tmp_path: Path
) -> None:
    installed(row(f"{framework}:function"))
    rec = start(integrations=None)
    path = tmp_path / framework / "__init__.py"
    path.write_text("raise ImportError('theirs')")
    with pytest.raises(ImportError, match="theirs"):
        importlib.import_module(framework)
    path.write_text(SOURCE + "\n# longer, so that no cached byte code fits\n")
    importlib.invalidate_caches()
    importlib.import_module(framework).function(1)
    assert len(rec.spans()) == 1
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(f"{framework}.nowhere")


def test_a_callback_that_fails_does_not_fail_the_import(
    framework: str, lenient: None, caplog: Any
) -> None:
    def broken(module: ModuleType) -> None:
        raise RuntimeError

    seen: list[str] = []
    imports.after_import(framework, broken)
    imports.after_import(framework, lambda module: seen.append(module.__name__))
    importlib.import_module(framework)
    assert seen == [framework]
    imports.after_import(framework, lambda module: seen.append("at once"))
    assert seen == [framework, "at once"]


def test_importing_in_threads_calls_back_once(framework: str) -> None:
    import threading

    seen: list[str] = []
    imports.after_import(framework, lambda module: seen.append(module.__name__))
    threads = [
        threading.Thread(target=importlib.import_module, args=(framework,)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [framework]


@pytest.mark.parametrize(
    ("target", "call", "result"),
    [
        ("Client.create", lambda m: m.Client().create(3), ("made", 3)),
        ("Client.acreate", lambda m: asyncio.run(m.Client().acreate(3)), ("amade", 3)),
        ("Client.static", lambda m: m.Client().static(3), ("static", 3)),
        ("Client.static", lambda m: m.Client.static(3), ("static", 3)),
        ("Client.over_class", lambda m: m.Client.over_class(3), ("Client", 3)),
        ("Client.over_class", lambda m: m.Client().over_class(3), ("Client", 3)),
        ("Client.inherited", lambda m: m.Client().inherited(3), ("inherited", 3)),
        ("function", lambda m: m.function(3), ("function", 3)),
    ],
)
def test_every_sort_of_callable(
    start: Any, framework: str, installed: Any, target: str, call: Any, result: Any
) -> None:
    module = importlib.import_module(framework)
    installed(row(f"{framework}:{target}"))
    rec = start(integrations=None)
    assert call(module) == result
    assert list(rec.one("call").detail.input) == [3]


def facts(module: ModuleType) -> dict[str, Any]:
    return {**vars(module.Client), **vars(module.Base), "function": module.function}


def test_undo_puts_the_very_objects_back(start: Any, framework: str, installed: Any) -> None:
    module = importlib.import_module(framework)
    before = facts(module)
    installed(
        *(row(f"{framework}:Client.{n}")
          for n in ("create", "acreate", "static", "over_class", "inherited")),
        row(f"{framework}:function"),
    )  # fmt: skip
    rec = start(integrations=None)
    assert facts(module) != before
    assert inspect.iscoroutinefunction(module.Client.acreate)
    assert module.Client.create.__name__ == "create"
    spanloom.uninstrument()
    after = facts(module)
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)
    module.Client().create()
    assert rec.spans() == []
    spanloom.instrument("made")
    module.Client().create()
    assert len(rec.spans()) == 1
    spanloom.shutdown()
    assert all(facts(module)[name] is before[name] for name in before)


def test_a_foreign_wrapper_on_top(start: Any, framework: str, installed: Any) -> None:
    module = importlib.import_module(framework)
    original = module.Client.create
    installed(row(f"{framework}:Client.create"))
    rec = start(integrations=None)
    ours = module.Client.create

    def foreign(self: Any, *args: Any) -> Any:
        return ("foreign", ours(self, *args))

    module.Client.create = foreign
    assert module.Client().create(1) == ("foreign", ("made", 1))
    spanloom.uninstrument("made")
    assert module.Client.create is foreign
    assert module.Client().create(2) == ("foreign", ("made", 2))
    assert len(rec.spans()) == 1, "inert"
    spanloom.instrument("made")
    module.Client().create(3)
    assert len(rec.spans()) == 2, "and never twice"
    module.Client.create = ours  # the foreign wrapper goes
    spanloom.uninstrument("made")
    assert module.Client.create is original


def test_a_missing_target_switches_one_integration_off(
    start: Any, framework: str, installed: Any, lenient: None, caplog: Any
) -> None:
    module = importlib.import_module(framework)
    importlib.import_module(f"{framework}.late")
    before = facts(module)
    installed(
        row(f"{framework}:Client.create"),
        row(f"{framework}:Client.gone"),
        row(f"{framework}:function"),
    )
    installed(row(f"{framework}.late:function"), name="made2", wake=f"{framework}.late")
    rec = start(integrations=None)
    said = [r.message for r in caplog.records]
    assert len(said) == 1
    assert "'made' is off" in said[0] and "Client.gone" in said[0] and ">=1" in said[0]
    assert all(facts(module)[name] is before[name] for name in before), "all of it is off"
    assert module.Client().create(1) == ("made", 1)
    sys.modules[f"{framework}.late"].function(1)
    assert [s.integration for s in rec.spans()] == ["made2"]
    start(integrations=None)
    assert len(caplog.records) == 1


def test_optional_rows_may_be_missing(start: Any, framework: str, installed: Any) -> None:
    module = importlib.import_module(framework)
    installed(
        row(f"{framework}:Client.gone", optional=True),
        row(f"{framework}:constant", optional=True),
        row(f"{framework}:function"),
        Observe(target=f"{framework}:gone", see=lambda *a: None),
    )
    rec = start(integrations=None)
    module.function(1)
    assert len(rec.spans()) == 1
    assert module.constant == 7


def test_a_target_that_is_not_callable(
    start: Any, framework: str, installed: Any, lenient: None, caplog: Any
) -> None:
    module = importlib.import_module(framework)
    installed(row(f"{framework}:constant"))
    start(integrations=None)
    assert module.constant == 7
    assert "not callable" in caplog.text


def test_an_unknown_integration_is_a_mistake(
    start: Any, installed: Any, framework: str, lenient: None, caplog: Any
) -> None:
    installed(row(f"{framework}:function"))
    start(integrations=["maed"])
    spanloom.instrument("nothing")
    spanloom.instrument("nothing", client=object())
    assert len(caplog.records) == 3
    assert all("made" in r.message for r in caplog.records)


def test_only_for_one_client(start: Any, framework: str, installed: Any) -> None:
    module = importlib.import_module(framework)
    installed(row(f"{framework}:Client.create"))
    rec = start(integrations=[])
    mine, other = module.Client(), module.Client()
    spanloom.instrument("made", client=mine)
    mine.create("mine")
    other.create("other")
    assert [list(s.detail.input) for s in rec.spans()] == [["mine"]]

    class Strange(module.Client):  # type: ignore[name-defined,misc]
        __hash__ = None  # type: ignore[assignment]

        @property
        def _client(self) -> Any:
            raise RuntimeError("theirs")

    assert Strange().create(1) == ("made", 1)
    spanloom.instrument("made")


def test_init_again_with_others(start: Any, framework: str, installed: Any) -> None:
    module = importlib.import_module(framework)
    late = importlib.import_module(f"{framework}.late")
    installed(row(f"{framework}:function"))
    installed(row(f"{framework}.late:function"), name="made2", wake=f"{framework}.late")

    def recorded(rec: Any) -> list[str]:
        rec.backend.clear()
        module.function(1)
        late.function(1)
        return [s.integration for s in rec.spans()]

    assert recorded(start(integrations=None)) == ["made", "made2"]
    assert recorded(start(integrations=["made2"])) == ["made2"]
    rec = start(integrations=[])
    assert recorded(rec) == []
    spanloom.instrument("made")
    spanloom.instrument("made2")
    assert recorded(rec) == ["made", "made2"]
    spanloom.uninstrument("made")
    assert recorded(rec) == ["made2"]


def test_one_that_was_taken_away_before_its_import(
    start: Any, framework: str, installed: Any
) -> None:
    installed(row(f"{framework}:function"))
    rec = start(integrations=None)
    spanloom.uninstrument("made")
    module = importlib.import_module(framework)
    module.function(1)
    assert rec.spans() == []
    spanloom.instrument("made")
    module.function(1)
    assert len(rec.spans()) == 1


def test_one_more_does_not_forget_the_others(start: Any, framework: str, installed: Any) -> None:
    installed(row(f"{framework}:function"))
    installed(row(f"{framework}.late:function"), name="made2", wake=f"{framework}.late")
    rec = start(integrations=None)
    spanloom.instrument("made2")
    importlib.import_module(framework).function(1)
    assert [s.integration for s in rec.spans()] == ["made"]


def test_faults_of_rows_never_reach_the_caller(
    start: Any, framework: str, installed: Any, lenient: None
) -> None:
    def boom(*args: Any) -> Any:
        raise RuntimeError("ours")

    module = importlib.import_module(framework)
    installed(
        Patch(target=f"{framework}:Client.create", begin=begin, finish=boom, note=boom),
        Patch(target=f"{framework}:Client.inherited", begin=boom),
        Observe(target=f"{framework}:function", see=boom),
        Hook(module=framework, add=lambda: boom),
    )
    rec = start(integrations=None)
    client = module.Client()
    assert client.create(1) == ("made", 1)
    with pytest.raises(ValueError, match="theirs"):
        client.create("fail")
    assert client.inherited(2) == ("inherited", 2)
    assert module.function(3) == ("function", 3)
    assert [s.status for s in rec.spans()] == ["ok", "error"]
    spanloom.uninstrument()


def test_observers_see_calls_inside_their_own_spans(
    start: Any, framework: str, installed: Any
) -> None:
    module = importlib.import_module(framework)
    seen: list[Any] = []
    installed(
        row(f"{framework}:Client.retry"),
        Observe(target=f"{framework}:Client.create", see=lambda a, args, kw: seen.append(args[1])),
    )
    start(integrations=None)
    module.Client().create("outside")
    with spanloom.span("not theirs"):
        module.Client().create("manual")
    assert module.Client().retry() == ("made", "again")
    assert seen == ["again"]


def test_hooks_are_added_and_undone_once(start: Any, framework: str, installed: Any) -> None:
    log: list[str] = []

    def add() -> Callable[[], None]:
        log.append("add")
        return lambda: log.append("undo")

    installed(Hook(module=framework, add=add))
    start(integrations=None)
    assert log == []
    importlib.import_module(framework)
    start(integrations=None)
    assert log == ["add"]
    spanloom.uninstrument()
    spanloom.uninstrument()
    assert log == ["add", "undo"]


def test_wrappers_survive_copying(start: Any, framework: str, installed: Any) -> None:
    import copy
    import pickle

    module = importlib.import_module(framework)
    installed(row(f"{framework}:Client.create"), row(f"{framework}:function"))
    start(integrations=None)
    assert copy.deepcopy(module.Client()).create(1) == ("made", 1)
    assert pickle.loads(pickle.dumps(module.function)) is module.function
    assert str(inspect.signature(module.Client.create)) == "(self, x=0)"
    assert copy.copy(module.function) is module.function


@pytest.mark.parametrize("how", ["instrument", "init"])
def test_one_client_and_then_all(start: Any, framework: str, installed: Any, how: str) -> None:
    module = importlib.import_module(framework)
    installed(row(f"{framework}:Client.create"))
    rec = start(integrations=[])
    mine = module.Client()
    spanloom.instrument("made", client=mine)
    if how == "init":
        rec = start(integrations=None)
    else:
        spanloom.instrument("made")
    module.Client().create("other")
    assert len(rec.spans()) == 1


def test_a_client_that_cannot_be_told_from_others(
    start: Any, framework: str, installed: Any, lenient: None, caplog: Any
) -> None:
    module = importlib.import_module(framework)
    installed(row(f"{framework}:Client.create"))
    rec = start(integrations=[])

    class Unhashable(module.Client):  # type: ignore[name-defined,misc]
        __hash__ = None  # type: ignore[assignment]

    spanloom.instrument("made", client=Unhashable())
    assert "Unhashable" in caplog.text
    module.Client().create(1)
    assert rec.spans() == []


def test_a_module_that_another_thread_is_importing(framework: str, tmp_path: Path) -> None:
    import threading
    import time

    (tmp_path / framework / "__init__.py").write_text("import time\ntime.sleep(0.3)\nready = 1\n")
    thread = threading.Thread(target=importlib.import_module, args=(framework,))
    thread.start()
    while framework not in sys.modules:
        time.sleep(0.001)
    seen: list[int] = []
    imports.after_import(framework, lambda module: seen.append(module.ready))
    imports.recheck()
    assert seen == []
    thread.join()
    imports.recheck()
    imports.recheck()
    assert seen == [1]


def test_a_module_that_imports_what_wakes_the_integration(
    start: Any, framework: str, installed: Any, tmp_path: Path
) -> None:
    """Its classes are not there yet when the integration looks."""
    installed(row(f"{framework}.late:Client.create"), wake="wakes_made")
    (tmp_path / "wakes_made.py").write_text("")
    (tmp_path / framework / "late.py").write_text(f"import wakes_made\n{SOURCE}")
    rec = start(integrations=None)
    late = importlib.import_module(f"{framework}.late")
    imports.recheck()
    assert late.Client().create(1) == ("made", 1)
    assert len(rec.spans()) == 1
    sys.modules.pop("wakes_made")
    patches._hooked.discard("wakes_made")
