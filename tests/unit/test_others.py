"""Other tools in the same process: their wrappers on what we patch, and their own tracing."""

import builtins
import functools
import subprocess
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

import spanloom
from spanloom import others, patches
from spanloom.sdk import Integration, Patch


class Client:
    def request(self) -> int:
        return 1


class Special(Client):
    pass


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    module = types.ModuleType("library_under_test")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    base = type(
        "Base",
        (),
        {"request": made_in(module, "def request(self): return 1"), "__module__": module.__name__},
    )
    module.Base = base  # type: ignore[attr-defined]
    module.Sub = type("Sub", (base,), {"__module__": module.__name__})  # type: ignore[attr-defined]
    integration = Integration(
        name="library_under_test", package="library", supports=">=1",
        rows=(Patch(target="library_under_test:Base.request", begin=lambda i, a, k: None),
              Patch(target="library_under_test:Base.gone", begin=lambda i, a, k: None, optional=True),
              Patch(target="not_imported_yet:f", begin=lambda i, a, k: None)),
    )  # fmt: skip
    patches.apply(integration)
    yield module
    patches.disable("library_under_test")
    patches._live.pop("library_under_test", None)


def made_in(module: types.ModuleType, source: str) -> Any:
    exec(source, module.__dict__)
    return module.__dict__.pop(source.split()[1].split("(")[0])


def of(report: others.Report) -> others.Here:
    [here] = [h for h in report.integrations if h.name == "library_under_test"]
    return here


def wrapper_from(vendor: str, original: Any) -> Any:
    module = types.ModuleType(vendor)
    module.__dict__.update(functools=functools)
    make = made_in(
        module,
        "def make(f):\n    @functools.wraps(f)\n    def w(*a, **k): return f(*a, **k)\n    return w",
    )
    return make(original)


def test_our_own_patch_alone(library: Any) -> None:
    here = of(others.report())
    assert [(t.target, t.state) for t in here.targets] == [
        ("library_under_test:Base.request", "patched"), ("library_under_test:Base.gone", "absent"),
        ("not_imported_yet:f", "waiting"),
    ]  # fmt: skip
    assert [f for f in others.report().found if "library_under_test" in f.where] == []


def test_a_wrapper_above_ours_is_seen(library: Any) -> None:
    library.Base.request = wrapper_from("langfuse.openai", library.Base.request)
    report = others.report()
    assert of(report).targets[0].state == "covered"
    [found] = [f for f in report.found if "library_under_test" in f.where]
    assert (found.who, found.where, found.effect) == (
        "Langfuse",
        "library_under_test.Base.request",
        "doubles",
    )
    patches.disable("library_under_test")
    assert of(others.report()).targets[0].state == "off"


def test_a_wrapper_on_a_subclass_is_seen(library: Any) -> None:
    library.Sub.request = wrapper_from("unheard_of.tool", library.Base.request)
    [found] = [f for f in others.report().found if "library_under_test" in f.where]
    assert (found.who, found.where, found.effect) == (
        "unheard_of.tool",
        "library_under_test.Sub.request",
        "note",
    )


def test_a_wrapper_that_passes_ours_by_is_seen(library: Any) -> None:
    """Put on the subclass before we patched the base: what it calls is the original."""
    original = (
        patches._live["library_under_test"].applied["library_under_test:Base.request"].original
    )
    library.Sub.request = wrapper_from("langfuse.openai", original)
    [found] = [f for f in others.report().found if "library_under_test" in f.where]
    assert (found.who, found.effect) == ("Langfuse", "interferes")
    assert "past spanloom" in found.what


def test_what_a_subclass_overrides_itself_is_no_wrapper(library: Any) -> None:
    program = types.ModuleType("my_app")
    request = made_in(program, "def request(self): return super(Mine, self).request()")
    mine = type("Mine", (library.Base,), {"__module__": "my_app", "request": request})
    program.Mine = mine  # type: ignore[attr-defined]
    assert mine().request() == 1
    assert [f for f in others.report().found if f.who == "my_app"] == []


def test_an_import_hook_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        builtins, "__import__", wrapper_from("agentops.instrumentation", builtins.__import__)
    )
    [found] = [f for f in others.report().found if f.where == "builtins.__import__"]
    assert (found.who, found.effect) == ("AgentOps", "interferes")
    assert "agentops.init()" in found.fix


def test_callbacks_of_litellm_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    litellm = types.ModuleType("litellm")
    litellm.success_callback = ["langfuse"]  # type: ignore[attr-defined]
    litellm.callbacks = [type("Mine", (), {"__module__": "my_app"})()]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "litellm", litellm)
    found = {(f.who, f.where, f.effect) for f in others.report().found if f.where[:7] == "litellm"}
    assert found == {
        ("langfuse", "litellm.success_callback", "doubles"),
        ("my_app", "litellm.callbacks", "note"),
    }


def test_a_tracer_provider_is_named_and_none_is_made() -> None:
    code = (
        "import sys\nfrom spanloom import others\nothers.report()\n"
        "assert not [m for m in sys.modules if m.startswith(('opentelemetry', 'openai', 'litellm'))]\n"
        "from opentelemetry import trace\nothers.report()\nassert trace._TRACER_PROVIDER is None\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter\n"
        "p = TracerProvider(); p.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter()))\n"
        "trace.set_tracer_provider(p)\nprint([f.what for f in others.report().found])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ConsoleSpanExporter gets the process's OpenTelemetry spans" in done.stdout


def test_a_report_before_init_is_empty() -> None:
    spanloom.shutdown()
    assert others.report().found == tuple(f for f in others.report().found if f.effect == "note")
