"""Settings: which source wins, what is refused and how it is said, and that no secret is shown."""

import io
import logging
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from spanloom import errors
from spanloom.errors import SpanloomError
from spanloom.settings import DEFAULTS, KEYS, OTEL_CONTENT, Group, Settings, load, variable

SECRET = "correct-horse-battery-staple"


class Sink:
    name = "mine"

    def export(self, batch: Any, /) -> None: ...

    def close(self) -> None: ...

    __hash__ = None  # type: ignore[assignment]  # an object of the user's need not be hashable

    def __repr__(self) -> str:
        return SECRET


def read(cwd: Path, environ: dict[str, str] | None = None, /, **overrides: object) -> Settings:
    return load(overrides, environ=environ or {}, cwd=cwd)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Any:
    """As for users: mistakes are warnings. Gives the function that returns them."""
    monkeypatch.delenv("SPANLOOM_STRICT", raising=False)
    monkeypatch.setattr(errors, "_said", set())
    caplog.set_level(logging.WARNING, "spanloom")
    return lambda: [record.getMessage() for record in caplog.records]


class TestSources:
    def test_defaults_where_nobody_says_anything(self, tmp_path: Path) -> None:
        settings = read(tmp_path)
        assert msgspec.structs.replace(settings, dir=".spanloom") == DEFAULTS
        assert settings.source("content") == "default"

    def test_argument_over_environment_over_file(self, tmp_path: Path) -> None:
        path = write(
            tmp_path / "spanloom.toml", 'service_name = "f"\nrelease = "f"\nenvironment = "f"'
        )
        environ = {"SPANLOOM_SERVICE_NAME": "e", "SPANLOOM_RELEASE": "e"}
        settings = read(tmp_path, environ, service_name="a", environment=None)
        assert (settings.service_name, settings.release, settings.environment) == ("a", "e", "f")
        assert settings.sources == {
            "service_name": "the argument service_name=",
            "release": "the variable SPANLOOM_RELEASE",
            "environment": str(path),
            "config": "the search upwards",
        }
        assert settings.config == str(path)

    def test_every_setting_can_come_from_its_variable(self, tmp_path: Path) -> None:
        words = {bool: "yes", int: "4096", float: "3s", tuple: "one,two"}
        for key in KEYS:
            name = variable(key)
            if name is None or key == "config":
                continue
            choices = KEYS[key].reader.choices
            default = getattr(DEFAULTS, key)
            word = choices[-1] if choices else words.get(type(default), "word")
            if KEYS[key].reader.unit == "levels":
                word = "64"
            if KEYS[key].reader.unit == "bytes":
                word = "1MiB"
            assert read(tmp_path, {name: word}).source(key) == f"the variable {name}"

    def test_an_empty_variable_is_unset(self, tmp_path: Path) -> None:
        assert read(tmp_path, {"SPANLOOM_CONTENT": " ", "OTEL_SERVICE_NAME": ""}).sources == {}

    def test_one_file_and_never_two(self, tmp_path: Path) -> None:
        write(tmp_path / "spanloom.toml", 'release = "far"\nservice_name = "far"')
        write(tmp_path / "app/pyproject.toml", '[tool.spanloom]\nrelease = "shared"')
        here = tmp_path / "app/deep/down"
        write(here / "pyproject.toml", '[project]\nname = "spanloom-user"')
        settings = read(here)
        assert (settings.release, settings.service_name) == ("shared", None)
        assert settings.source("release") == f"{tmp_path}/app/pyproject.toml [tool.spanloom]"

        write(tmp_path / "app/spanloom.toml", 'release = "own"')
        assert read(here).release == "own"
        other = write(tmp_path / "other/any.toml", 'release = "named"')
        assert read(here, {"SPANLOOM_CONFIG": str(other)}).release == "named"
        settings = read(
            here, {"SPANLOOM_CONFIG": "nowhere"}, config=Path("../../../other/any.toml")
        )
        assert settings.release == "named"
        assert settings.source("config") == "the argument config="

    def test_a_directory_open_to_all_is_not_searched_from_below(self, tmp_path: Path) -> None:
        write(tmp_path / "spanloom.toml", 'release = "planted"')
        (tmp_path / "app").mkdir()
        tmp_path.chmod(0o1777)
        assert read(tmp_path / "app").release is None
        assert read(tmp_path).release == "planted"

    def test_the_record_is_where_the_source_means(self, tmp_path: Path) -> None:
        write(tmp_path / "spanloom.toml", 'dir = "record"')
        here = tmp_path / "app"
        here.mkdir()
        assert read(here).dir == str(tmp_path / "record")
        assert read(here, {"SPANLOOM_DIR": "record"}).dir == str(here / "record")
        assert read(here, dir="/var/../tmp/x").dir == "/tmp/x"
        assert read(tmp_path / "elsewhere").dir == str(tmp_path / "record")

    def test_a_working_directory_that_is_gone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gone = tmp_path / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        gone.rmdir()
        assert load(environ={}) == DEFAULTS
        monkeypatch.chdir(tmp_path)


class TestStandardVariables:
    def test_resource(self, tmp_path: Path) -> None:
        attributes = (
            "service.name=other,service.namespace=shop%2Feu, service.version=1.2 ,"
            "service.instance.id=pod-7,deployment.environment=staging,junk"
        )
        settings = read(
            tmp_path, {"OTEL_SERVICE_NAME": "pay", "OTEL_RESOURCE_ATTRIBUTES": attributes}
        )
        assert settings.service_name == "pay"
        assert settings.service_namespace == "shop/eu"
        assert settings.service_version == "1.2"
        assert settings.service_instance == "pod-7"
        assert settings.environment == "staging"
        newer = {"OTEL_RESOURCE_ATTRIBUTES": f"{attributes},deployment.environment.name=production"}
        assert read(tmp_path, newer).environment == "production"
        assert read(tmp_path, newer).service_name == "other"
        assert (
            read(tmp_path, newer).source("environment")
            == "the variable OTEL_RESOURCE_ATTRIBUTES (deployment.environment.name)"
        )
        assert read(tmp_path, newer | {"SPANLOOM_SERVICE_NAME": "own"}).service_name == "own"

    @pytest.mark.parametrize(
        ("environ", "disabled"),
        [
            ({"OTEL_SDK_DISABLED": "TRUE"}, True),
            ({"OTEL_SDK_DISABLED": "1"}, False),
            ({"OTEL_SDK_DISABLED": "true", "SPANLOOM_DISABLED": "0"}, False),
            ({"OTEL_SDK_DISABLED": "false", "SPANLOOM_DISABLED": "on"}, True),
        ],
    )
    def test_disabled(self, tmp_path: Path, environ: dict[str, str], disabled: bool) -> None:
        assert read(tmp_path, environ).disabled is disabled

    def test_a_disabled_in_the_file_is_not_undone_by_the_false_of_others(
        self, tmp_path: Path
    ) -> None:
        write(tmp_path / "spanloom.toml", "disabled = true")
        assert read(tmp_path, {"OTEL_SDK_DISABLED": "false"}).disabled

    @pytest.mark.parametrize(
        ("word", "content"),
        [
            ("NO_CONTENT", "none"),
            ("false", "none"),
            ("SPAN_ONLY", "redacted"),
            ("event_only", "redacted"),
            ("SPAN_AND_EVENT", "redacted"),
            ("True", "redacted"),
        ],
    )
    def test_content(self, tmp_path: Path, word: str, content: str) -> None:
        assert read(tmp_path, {OTEL_CONTENT: word}).content == content

    def test_our_own_content_wins_over_the_convention_from_any_source(self, tmp_path: Path) -> None:
        environ = {OTEL_CONTENT: "NO_CONTENT"}
        assert read(tmp_path, environ, content="full").content == "full"
        assert read(tmp_path, environ | {"SPANLOOM_CONTENT": "hash"}).content == "hash"
        write(tmp_path / "spanloom.toml", 'content = "full"')
        assert read(tmp_path, environ).content == "full"

    def test_the_programs_own_log_level_is_heard_where_it_is_understood(
        self, tmp_path: Path
    ) -> None:
        assert read(tmp_path, {"LOG_LEVEL": "ERROR"}).log_level == "error"
        assert read(tmp_path, {"LOG_LEVEL": "chatty"}).log_level == "warning"
        assert read(tmp_path, {"SPANLOOM_LOG_LEVEL": "WARN"}).log_level == "warning"


class TestValues:
    @pytest.mark.parametrize(
        ("key", "value", "expected"),
        [
            ("flush_interval_s", "200ms", 0.2),
            ("flush_interval_s", " 1.5 s", 1.5),
            ("flush_interval_s", 3, 3.0),
            ("flush_timeout_s", "2m", 120.0),
            ("shutdown_timeout_s", "0", 0.0),
            ("queue_bytes", "64MiB", 64 * 2**20),
            ("queue_bytes", "1.5 gb", 1_500_000_000),
            ("queue_bytes", 65536.0, 65536),
            ("max_text_bytes", "500kB", 500_000),
            ("batch_spans", "7", 7),
            ("threads", "No", False),
            ("threads", 1, True),
            ("signals", False, False),
            ("content", " Hash ", "hash"),
            ("release", "  7 ", "7"),
            ("backends", "local, otlp,local", ("local", "otlp")),
            ("backends", ["local"], ("local",)),
            ("backends", "none", ()),
            ("backends", [], ()),
            ("integrations", "none", ()),
            ("integrations", "ALL", None),
            ("integrations", ["openai"], ("openai",)),
        ],
    )
    def test_read(self, tmp_path: Path, key: str, value: object, expected: object) -> None:
        found = getattr(read(tmp_path, **{key: value}), key)
        assert found == expected
        assert type(found) is type(expected)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("flush_interval_s", "soon"),
            ("flush_interval_s", "5 parsecs"),
            ("flush_interval_s", -1),
            ("flush_interval_s", math.nan),
            ("flush_interval_s", math.inf),
            ("flush_interval_s", True),
            ("queue_bytes", "64M"),
            ("queue_bytes", math.inf),
            ("queue_bytes", "0.3MiB"),
            ("batch_spans", 2.5),
            ("batch_spans", 0),
            pytest.param("batch_spans", 10**5000, id="huge"),
            ("threads", "perhaps"),
            ("threads", 2),
            ("threads", None.__class__),
            ("content", "redacte"),
            ("content", 5),
            ("release", 1.2),
            ("service_name", ["x"]),
            ("backends", 7),
            ("backends", [object()]),
            ("backends", [["local"]]),
            ("integrations", [Sink()]),
            ("processors", [3]),
            ("backend_options", {"otlp": "x"}),
            ("backend_options", "otlp"),
            ("dir", 3),
        ],
    )
    def test_refused_and_the_default_used(
        self, tmp_path: Path, lenient: Any, key: str, value: object
    ) -> None:
        settings = read(tmp_path, **{key: value})
        if key == "dir":
            assert settings.dir == str(tmp_path / DEFAULTS.dir)
        elif key == "content":  # who set it wanted something else: nothing is kept
            assert settings.content == "none"
        else:
            assert getattr(settings, key) == getattr(DEFAULTS, key)
        (message,) = lenient()
        assert f"the argument {key}= sets {key} to" in message
        assert KEYS[key].reader.allowed in message

    @given(
        st.sampled_from([key for key in KEYS if key not in ("config", "dir")]),
        st.one_of(
            st.text(),
            st.integers(),
            st.floats(),
            st.none(),
            st.booleans(),
            st.lists(st.text(max_size=3), max_size=3),
            st.dictionaries(st.text(max_size=3), st.dictionaries(st.text(max_size=2), st.none())),
        ),
    )
    def test_any_value_is_read_or_refused(self, key: str, value: object) -> None:
        try:
            settings = load({key: value}, environ={}, cwd="/")
        except SpanloomError:
            return
        kind: Any = type(getattr(settings, key))
        assert kind in {type(getattr(DEFAULTS, key)), type(None), str, tuple, dict}

    def test_objects_stay_as_they_are(self, tmp_path: Path) -> None:
        mine, other = Sink(), Sink()
        assert read(tmp_path, backends=["local", mine, other, mine]).backends[1] is mine
        assert read(tmp_path, backends=mine).backends == (mine,)
        assert read(tmp_path, processors=[len]).processors == (len,)
        assert read(tmp_path, processors=len).processors == (len,)


class TestPlugins:
    FILE = """
        [backends.local]
        [backends.prod]
        type = "otlp"
        endpoint = "http://collector:4318"
        [backends.spare]
        type = "otlp"
        enabled = false
        [integrations.openai]
        chunks = true
        [integrations.langchain]
        enabled = false
    """

    def test_tables_say_what_is_on_and_carry_options(self, tmp_path: Path) -> None:
        path = write(tmp_path / "spanloom.toml", self.FILE)
        settings = read(tmp_path)
        assert settings.backends == ("local", "prod")
        endpoint = {"endpoint": "http://collector:4318"}
        assert settings.plugin("backends", "prod") == ("otlp", endpoint)
        assert settings.plugin("backends", "spare") == ("otlp", {})
        assert settings.plugin("backends", "else") == ("else", {})
        assert settings.plugin("integrations", "openai") == ("openai", {"chunks": True})
        assert settings.integrations is None
        assert settings.wants("openai") and settings.wants("litellm")
        assert not settings.wants("langchain")
        assert settings.source("backends") == f"{path} [backends]"

    def test_options_stay_in_force_where_the_names_come_from_elsewhere(
        self, tmp_path: Path
    ) -> None:
        write(tmp_path / "pyproject.toml", self.FILE.replace("[", "[tool.spanloom."))
        settings = read(tmp_path, {"SPANLOOM_BACKENDS": "spare,prod"}, integrations=["langchain"])
        assert settings.backends == ("spare", "prod")
        assert settings.plugin("backends", "prod")[1] == {"endpoint": "http://collector:4318"}
        assert not settings.wants("openai")

    def test_a_mapping_as_an_argument(self, tmp_path: Path) -> None:
        settings = read(tmp_path, backends={"otlp": {"endpoint": "x"}, "local": {}})
        assert settings.backends == ("otlp", "local")
        assert settings.plugin("backends", "otlp") == ("otlp", {"endpoint": "x"})

    def test_each_group_has_its_options(self) -> None:
        assert {f"{group.removesuffix('s')}_options" for group in get_args(Group)} <= set(KEYS)


class TestMistakes:
    def message(self, *args: Any, **overrides: object) -> str:
        with pytest.raises(SpanloomError) as info:
            read(*args, **overrides)
        return str(info.value)

    def test_value_in_a_variable(self, tmp_path: Path) -> None:
        message = self.message(tmp_path, {"SPANLOOM_CONTENT": "redact"})
        assert message == (
            "spanloom: the variable SPANLOOM_CONTENT sets content to 'redact', which is not allowed "
            '(did you mean \'redacted\'?). Allowed: "full" | "redacted" | "hash" | "none", or a table of these by area. '
            "Correct it there; until then 'none' is used."
        )

    def test_value_in_a_file_names_its_table(self, tmp_path: Path) -> None:
        path = write(tmp_path / "pyproject.toml", '[tool.spanloom]\nbatch_spans = "many"')
        assert f"{path} [tool.spanloom] sets batch_spans to 'many'" in self.message(tmp_path)

    def test_options_that_are_no_table(self, tmp_path: Path) -> None:
        path = write(tmp_path / "spanloom.toml", '[backends]\notlp = "x"')
        message = self.message(tmp_path)
        assert f"{path} [backends] sets backend_options" in message
        assert "every name needs a table of its own" in message

    @pytest.mark.parametrize(
        ("given", "expected"),
        [("flush_interval", "flush_interval_s"), ("servicename", "service_name")],
    )
    def test_unknown_argument(self, tmp_path: Path, given: str, expected: str) -> None:
        message = self.message(tmp_path, **{given: SECRET})
        assert f"the argument {given}= is not a known setting" in message
        assert f"did you mean '{expected}'?" in message
        assert SECRET not in message

    def test_unknown_key_in_a_file(self, tmp_path: Path) -> None:
        path = write(tmp_path / "spanloom.toml", 'hash_kee = "x"')
        assert f"'hash_kee' in {path} is not a known setting" in self.message(tmp_path)
        write(path, 'config = "x.toml"')
        assert f"'config' in {path} is not a known setting" in self.message(tmp_path)

    def test_unknown_variable(self, tmp_path: Path) -> None:
        message = self.message(tmp_path, {"SPANLOOM_BACKEND": SECRET})
        assert "SPANLOOM_BACKEND is not" in message
        assert "did you mean 'SPANLOOM_BACKENDS'?" in message
        assert SECRET not in message
        assert "docs/reference/settings.md" in self.message(tmp_path, {"SPANLOOM_QQQ": "1"})

    @pytest.mark.parametrize(
        "name",
        [
            "SPANLOOM_STRICT",
            "SPANLOOM_RUN_PARENT",
            "SPANLOOM_SERVICE_HOST",
            "SPANLOOM_SERVICE_PORT_HTTP",
            "SPANLOOM_PORT",
            "SPANLOOM_UI_PORT_4318_TCP_ADDR",
            "SPANLOOM_UI_SERVICE_PORT",
        ],
    )
    def test_variables_that_are_not_the_users(self, tmp_path: Path, name: str) -> None:
        assert read(tmp_path, {name: "10.0.0.1"}).sources == {}

    def test_content_by_the_convention(self, tmp_path: Path) -> None:
        message = self.message(tmp_path, {OTEL_CONTENT: "SPAN_ONYL"})
        assert OTEL_CONTENT in message
        assert "did you mean 'SPAN_ONLY'?" in message

    @pytest.mark.parametrize(
        ("data", "place", "reason"),
        [
            (b'release = "1"\n\nbroken', ":3", "Expected"),
            (b'release = "1"\nservice_name = "\xff"\n', ":2", "UTF-8"),
        ],
    )
    def test_broken_file(self, tmp_path: Path, data: bytes, place: str, reason: str) -> None:
        (tmp_path / "spanloom.toml").write_bytes(data)
        message = self.message(tmp_path)
        assert f"{tmp_path}/spanloom.toml{place}: " in message
        assert reason in message

    def test_a_broken_file_ends_the_search(self, tmp_path: Path, lenient: Any) -> None:
        write(tmp_path / "spanloom.toml", 'release = "far"')
        write(tmp_path / "app/spanloom.toml", "broken")
        assert read(tmp_path / "app").release is None
        assert len(lenient()) == 1

    def test_a_file_that_is_not_there(self, tmp_path: Path, lenient: Any) -> None:
        write(tmp_path / "spanloom.toml", 'release = "unnamed"')
        assert read(tmp_path, {"SPANLOOM_CONFIG": "other.toml"}).release is None
        assert f"{tmp_path}/other.toml: No such file" in lenient()[0]
        settings = read(tmp_path, config=tmp_path)
        assert settings.config is None
        assert settings.content == "none"  # the file might have said so

    def test_pyproject_without_our_table(self, tmp_path: Path) -> None:
        path = write(tmp_path / "pyproject.toml", "[project]\n")
        assert read(tmp_path).config is None
        assert "no table [tool.spanloom]" in self.message(tmp_path, config=str(path))
        write(path, '[tool]\nspanloom = "x"')
        assert "no table [tool.spanloom]" in self.message(tmp_path)

    def test_several_mistakes_leave_the_rest_in_force(self, tmp_path: Path, lenient: Any) -> None:
        settings = read(
            tmp_path,
            {"SPANLOOM_THREADS": "perhaps", "SPANLOOM_RELEASE": "7", "SPANLOOM_CONTENTS": "full"},
            batch_spans=-1,
            service_name="shop",
        )
        assert (settings.release, settings.service_name) == ("7", "shop")
        assert settings.threads is True
        assert len(lenient()) == 3

    def test_a_long_value_is_cut(self, tmp_path: Path) -> None:
        assert len(self.message(tmp_path, content="x" * 10_000)) < 400


class TestSecrets:
    def settings(self, tmp_path: Path) -> Settings:
        return read(
            tmp_path,
            {"SPANLOOM_HASH_KEY": SECRET},
            backends=["local", Sink()],
            backend_options={"otlp": {"headers": {"authorization": SECRET}}},
        )

    def test_repr(self, tmp_path: Path) -> None:
        settings = self.settings(tmp_path)
        assert settings.hash_key == SECRET
        console = Console(file=io.StringIO(), width=200)
        console.print(settings)
        for text in (repr(settings), str(settings), console.file.getvalue()):  # type: ignore[attr-defined]
            assert SECRET not in text
            assert "headers" in text
            assert "Sink" in text

    def test_message_of_a_bad_key(self, tmp_path: Path) -> None:
        with pytest.raises(SpanloomError) as info:
            read(tmp_path, hash_key=12345678)
        assert "12345678" not in str(info.value)
        assert "hash_key" in str(info.value)

    def test_messages_quote_no_container(self, tmp_path: Path) -> None:
        with pytest.raises(SpanloomError) as info:
            read(tmp_path, service_name={"key": SECRET})
        assert SECRET not in str(info.value)

    def test_the_table_knows_its_secrets(self) -> None:
        assert {key for key, info in KEYS.items() if info.secret} == {"hash_key", "encrypt_key"}


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        DEFAULTS.dir = "x"  # type: ignore[misc]


def test_loading_is_cheap(tmp_path: Path) -> None:
    deep = tmp_path / "a/b/c/d/e/f/g/h"
    deep.mkdir(parents=True)
    environ = {f"OTHER_{n}": "x" for n in range(200)}
    durations = []
    for _ in range(20):
        start = time.perf_counter()
        load(environ=environ, cwd=deep)
        durations.append(time.perf_counter() - start)
    assert min(durations) < 0.002


def test_loading_without_a_file_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys, msgspec; before = set(sys.modules);"
        "from spanloom.settings import load; load(environ={}, cwd=sys.argv[1]);"
        "print(sorted({'tomllib', 'difflib', 'urllib.parse', 'rich', 'inspect'}"
        " & (set(sys.modules) - before)))"
    )
    # the module alone: what the package imports is not its doing
    stub = (
        "import sys, types, importlib.util as u; p = types.ModuleType('spanloom');"
        "p.__path__ = list(u.find_spec('spanloom').submodule_search_locations);"
        "sys.modules['spanloom'] = p;"
    )
    done = subprocess.run(
        [sys.executable, "-c", stub + code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
