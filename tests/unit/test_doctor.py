"""`spanloom doctor`: what it finds, what it says, and that it neither writes nor hangs."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import spanloom
from spanloom import others
from spanloom.cli import frameworks

SRC = Path(spanloom.__file__).parents[1]


def doctor(*words: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(
            ("SPANLOOM_", "OTEL_", "LANGSMITH_", "LANGCHAIN_", "PYTHON", "VIRTUAL_ENV")
        )
    }
    environ |= {"COLUMNS": "80", "NO_COLOR": "1", **variables}
    return subprocess.run(
        [sys.executable, "-m", "spanloom", "doctor", *words],
        cwd=cwd, env=environ, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip


def document(cwd: Path, **variables: str) -> dict[str, Any]:
    done = doctor("--json", cwd=cwd, **variables)
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if found["ok"] else 1)
    return found


def findings(found: Mapping[str, Any], area: str, level: str | None = None) -> list[dict[str, Any]]:
    return [f for f in found["findings"] if f["area"] == area and level in (None, f["level"])]


def test_all_well(tmp_path: Path) -> None:
    done = doctor(cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        "spanloom ", "backends       local (default)", "dir ", "[OK] local writes to .spanloom",
        "[OK] openai ", "places to record", "[OK] spanloom run its hook is reached", "no problem",
    ):  # fmt: skip
        assert words in done.stdout, words
    assert all(len(line) <= 80 for line in done.stdout.splitlines() if " " in line.strip())
    assert list(tmp_path.iterdir()) == []


def test_the_document(tmp_path: Path) -> None:
    found = document(
        tmp_path, SPANLOOM_DIR="rec", SPANLOOM_HASH_KEY="k" * 40, OTEL_SERVICE_NAME="shop",
        OTEL_EXPORTER_OTLP_HEADERS="api-key=hidden1", OTEL_EXPORTER_OTLP_ENDPOINT="https://me:hidden2@host/v1?k=hidden3",
    )  # fmt: skip
    assert (found["v"], found["ok"]) == (1, True)
    settings = {row["key"]: row for row in found["settings"]}
    assert settings["dir"]["source"] == "the variable SPANLOOM_DIR"
    assert settings["service_name"]["value"] == "shop"
    assert settings["content"] == {"key": "content", "value": "redacted", "source": "default"}
    assert settings["hash_key"]["value"] == "<hidden>"
    text = json.dumps(found)
    assert "kkkk" not in text
    assert "hidden1" not in text and "hidden2" not in text and "hidden3" not in text
    variables = {row["name"]: row for row in found["variables"]}
    assert variables["OTEL_SERVICE_NAME"]["sets"] == ["service_name"]
    assert variables["OTEL_EXPORTER_OTLP_ENDPOINT"]["value"] == "https://host/v1"
    [backend] = found["backends"]
    assert (backend["name"], backend["where"], backend["writable"]) == (
        "local",
        str(tmp_path / "rec"),
        True,
    )
    assert backend["free_bytes"] > 0
    [openai] = [row for row in found["integrations"] if row["name"] == "openai"]
    assert openai["fits"] is True
    assert {t["target"]: t["state"] for t in openai["targets"]}[
        "openai._base_client:SyncAPIClient.request"
    ] == "patched"


def test_a_wrong_setting_is_a_problem_and_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "spanloom.toml").write_text('contnt = "full"\n')
    found = document(
        tmp_path, SPANLOOM_BACKENDS="locl,local", SPANLOOM_CONTENT="some", SPANLOOM_STRICT="1"
    )
    texts = " ".join(f["text"] for f in found["findings"] if f["level"] == "problem")
    for words in (
        "'contnt'",
        "did you mean 'content'",
        "SPANLOOM_CONTENT",
        "'locl' is not installed",
        "'local'",
    ):
        assert words in texts, words
    assert findings(found, "backends", "ok")[0]["name"] == "local"


def test_nothing_is_recorded_when_switched_off(tmp_path: Path) -> None:
    [finding] = findings(document(tmp_path, SPANLOOM_DISABLED="true"), "settings", "problem")
    assert "SPANLOOM_DISABLED" in finding["text"]
    [finding] = findings(
        document(tmp_path, SPANLOOM_INTEGRATIONS="opnai"), "integrations", "problem"
    )
    assert finding["name"] == "opnai"


def test_a_directory_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    [finding] = findings(document(tmp_path, SPANLOOM_DIR="file/rec"), "backends", "problem")
    assert "is no directory" in finding["text"]
    assert "SPANLOOM_DIR" in finding["fix"]
    if os.getuid() != 0:
        (tmp_path / "shut").mkdir(mode=0o500)
        [finding] = findings(document(tmp_path, SPANLOOM_DIR="shut/rec"), "backends", "problem")
        assert "cannot be written to" in finding["text"]


def test_processors_are_named_with_who_brings_them(tmp_path: Path) -> None:
    info = tmp_path / "other-2.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 2.5\n")
    (info / "entry_points.txt").write_text("[spanloom.processors]\nsame = other:make\n")
    (tmp_path / "other.py").write_text("def make(settings): return lambda span: span\n")
    path = f"{tmp_path}{os.pathsep}{SRC}"
    assert findings(document(tmp_path, PYTHONPATH=path), "processors") == []
    found = document(tmp_path, PYTHONPATH=path, SPANLOOM_PROCESSORS="same,saem")
    well, wrong = findings(found, "processors")
    assert (well["name"], well["level"], well["text"]) == ("same", "ok", "on, from other 2.5")
    assert (wrong["name"], wrong["level"]) == ("saem", "problem")
    assert "'saem' is not installed; known: same" in wrong["text"]


def test_other_instrumentation_is_named(tmp_path: Path) -> None:
    """A8: what is installed, and what a variable switches on."""
    for name in ("openinference_instrumentation_openai", "langsmith"):
        info = tmp_path / f"{name}-9.9.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n")
    path = f"{tmp_path}{os.pathsep}{SRC}"
    found = findings(
        document(tmp_path, PYTHONPATH=path, LANGSMITH_TRACING="true"), "others", "note"
    )
    texts = {f["name"]: f["text"] for f in reversed(found)}
    assert "openinference-instrumentation-openai 9.9" in texts["OpenInference"]
    assert "doubles" in texts["OpenInference"]
    assert "by LANGSMITH_TRACING" in texts["LangSmith"]


def test_a_hook_that_is_not_reached_is_a_problem(tmp_path: Path) -> None:
    """The active environment has no spanloom."""
    programs = tmp_path / "venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(os.path.realpath(sys.executable))
    found = document(tmp_path, VIRTUAL_ENV=str(tmp_path / "venv"))
    [finding] = findings(found, "startup", "problem")
    assert "is not reached" in finding["text"]
    assert "install spanloom there" in finding["fix"]


def fake_framework(folder: Path, body: str, *, version: str = "1.0") -> None:
    """A framework and an integration for it, as a third party would install them."""
    (folder / "fakeframe.py").write_text(body)
    (folder / "fake_integration.py").write_text(
        "from spanloom.sdk import Integration, Patch, Start\n"
        "INTEGRATION = Integration(name='fake', package='fakeframe', supports='>=1.0,<2', rows=(\n"
        "    Patch(target='fakeframe:ask', begin=lambda i, a, k: None),))\n"
    )
    for name, entry in (
        ("fakeframe", ""),
        ("fake_integration", "[spanloom.integrations]\nfakeframe = fake_integration:INTEGRATION\n"),
    ):
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(entry)


@pytest.mark.parametrize(
    ("body", "version", "level", "said"),
    [
        ("def ask(): pass", "1.4", "ok", "1 place to record"),
        ("print('noise'); def_ = 1\ndef ask(): pass", "2.1", "note", "known to work: >=1.0,<2"),
        ("ask = None", "1.4", "problem", "is not patched"),
        ("def other(): pass", "1.4", "problem", "fakeframe:ask is gone"),
        ("raise RuntimeError('broken here')", "1.4", "problem", "RuntimeError: broken here"),
        ("import os; os._exit(3)", "1.4", "problem", "ended the process (3)"),
        ("import time; time.sleep(60)", "1.4", "problem", "took longer than 2 s"),
        ("import threading, time; threading.Thread(target=time.sleep, args=(60,)).start()\ndef ask(): pass",
         "1.4", "ok", "1 place"),
    ],
)  # fmt: skip
def test_what_may_become_of_a_framework(
    tmp_path: Path, body: str, version: str, level: str, said: str
) -> None:
    fake_framework(tmp_path, body, version=version)
    done = doctor(
        "--json", "--time-limit", "2" if "sleep(60)" in body and "thread" not in body else "30",
        cwd=tmp_path, PYTHONPATH=f"{tmp_path}{os.pathsep}{SRC}",
    )  # fmt: skip
    [finding] = [f for f in json.loads(done.stdout)["findings"] if f["name"] == "fake"]
    assert finding["level"] == level, finding
    assert said in finding["text"]
    assert done.returncode == (level == "problem")


@pytest.mark.parametrize(
    ("version", "supports", "expected"),
    [("1.66.0", ">=1.66", True), ("1.65.9", ">=1.66", False), ("3.0.0rc1", ">=1,<3", False),
     ("2.0", ">=1,!=2", False), ("2", "==2.0.0", True), ("x", ">=1", None), ("1", "~=1.0", None)],
)  # fmt: skip
def test_versions(version: str, supports: str, expected: bool | None) -> None:
    assert frameworks.fits(version, supports) is expected


@pytest.mark.parametrize(
    ("name", "vendor"),
    [("openinference-instrumentation-langchain", "OpenInference"), ("langfuse", "Langfuse"),
     ("opentelemetry_instrumentation_openai", "OpenLLMetry (Traceloop)"), ("ddtrace", "Datadog"),
     ("opentelemetry-instrumentation-openai-v2", "OpenTelemetry GenAI"), ("AgentOps", "AgentOps"),
     ("opentelemetry-instrumentation-genai-openai", "OpenTelemetry GenAI"),
     ("opentelemetry-instrumentation-httpx", None), ("opentelemetry-sdk", None), ("spanloom", None),
     ("openinference-instrumentation", None)],
)  # fmt: skip
def test_vendors_by_distribution(name: str, vendor: str | None) -> None:
    found = others.vendor_of_distribution(name)
    assert (found.name if found else None) == vendor


def test_switches() -> None:
    def on(environ: dict[str, str], *installed: str) -> list[tuple[str, str | None]]:
        return [(switch.who, by) for switch, by in others.switched_on(environ, installed)]

    assert on({"LANGSMITH_TRACING": "true"}, "langsmith") == [("LangSmith", "LANGSMITH_TRACING")]
    assert on({"LANGSMITH_TRACING": "true"}) == []
    assert on({"LANGSMITH_TRACING": "false"}, "langsmith") == []
    assert on({}, "openai-agents") == [("OpenAI Agents SDK", None)]
    assert on({"OPENAI_AGENTS_DISABLE_TRACING": "1"}, "openai-agents") == []
