"""The table: every setting with its type, default, meaning and variables."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Struct

from .policies import CONTENT, REDACT, Action, Content, Redact
from .readers import (
    BACKENDS,
    FLAG,
    GIB,
    INTEGRATIONS,
    KIB,
    MIB,
    OPTIONS,
    PATH,
    PROCESSORS,
    TEXT,
    Options,
    Reader,
    choice,
    count,
    seconds,
    size,
)

UserIds = Action
LogLevel = Literal["debug", "info", "warning", "error", "fatal"]
Group = Literal["backends", "integrations", "processors"]
"""The settings that name plugins."""


class Key(Struct, frozen=True, kw_only=True):
    """What is known of one setting beside its type and default."""

    group: str
    reader: Reader
    doc: str
    standard: tuple[str, ...] = ()
    """Variables that others defined, after our own: ``NAME``, or ``NAME:attribute`` in a list of pairs."""
    secret: bool = False
    argument_only: bool = False

    def shown(self, value: Any) -> Any:
        """``value`` as it may be seen: no secret, and of options and objects only the names."""
        if self.secret:
            return "<hidden>"
        if isinstance(value, Redact):
            return value.shown()
        if isinstance(value, Mapping):
            return {
                name: options if isinstance(options, str) else sorted(options)
                for name, options in value.items()
            }
        if isinstance(value, tuple):
            return tuple(item if isinstance(item, str) else type(item).__name__ for item in value)
        return value


_WHERE = "What is recorded, and where it goes"
_WHO = "Who records"
_CONTENT = "Content and identity"
_HOST = "How it sits in your program"
_DELIVERY = "Delivery"
_LIMITS = "Limits"


class Settings(Struct, frozen=True, kw_only=True):
    """What a running recorder obeys: one field for each setting. The defaults stand here and nowhere else."""

    backends: Annotated[
        tuple[object, ...],
        Key(
            group=_WHERE,
            reader=BACKENDS,
            doc="Where spans go: any number of backends at once. In a file a list, or one table "
            "`[backends.NAME]` for each with its options; every table is on unless it says "
            "`enabled = false`.",
        ),
    ] = ("local",)
    integrations: Annotated[
        tuple[str, ...] | None,
        Key(
            group=_WHERE,
            reader=INTEGRATIONS,
            doc="Which libraries are instrumented. Unset: every one that has an integration and is "
            "imported. A table `[integrations.NAME]` gives options to one, or switches it off with "
            "`enabled = false`, and leaves the others as they are.",
        ),
    ] = None
    processors: Annotated[
        tuple[object, ...],
        Key(
            group=_WHERE,
            reader=PROCESSORS,
            doc="Further processors, run in order over every finished span. In a file a list, or "
            "tables `[processors.NAME]`.",
        ),
    ] = ()
    dir: Annotated[
        str,
        Key(
            group=_WHERE,
            reader=PATH,
            doc="Directory of the local record. Relative to the working directory at start; in a "
            "file, to that file.",
        ),
    ] = ".spanloom"
    prices: Annotated[
        str | None,
        Key(
            group=_WHERE,
            reader=PATH,
            doc="A file of your own prices, which come before those that ship with spanloom. See "
            "how-to/cost.md.",
        ),
    ] = None
    config: Annotated[
        str | None,
        Key(
            group=_WHERE,
            reader=PATH,
            doc="The one configuration file. Unset: the nearest `spanloom.toml`, or `pyproject.toml` "
            "with a table `[tool.spanloom]`, from the working directory upwards. Not a key of "
            "the file itself.",
        ),
    ] = None
    disabled: Annotated[
        bool,
        Key(
            group=_WHERE,
            reader=FLAG,
            standard=("OTEL_SDK_DISABLED",),
            doc="Record nothing and patch nothing.",
        ),
    ] = False
    backend_options: Annotated[
        Options,
        Key(
            group=_WHERE,
            reader=OPTIONS,
            argument_only=True,
            doc="Options for backends by name, as the tables `[backends.NAME]` of a file. `type` "
            "names the installed backend where it is not `NAME`.",
        ),
    ] = {}
    integration_options: Annotated[
        Options,
        Key(
            group=_WHERE,
            reader=OPTIONS,
            argument_only=True,
            doc="The same for integrations.",
        ),
    ] = {}
    processor_options: Annotated[
        Options,
        Key(
            group=_WHERE,
            reader=OPTIONS,
            argument_only=True,
            doc="The same for processors.",
        ),
    ] = {}

    service_name: Annotated[
        str | None,
        Key(
            group=_WHO,
            reader=TEXT,
            standard=("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES:service.name"),
            doc="Name of the program, the same for all its processes.",
        ),
    ] = None
    service_namespace: Annotated[
        str | None,
        Key(
            group=_WHO,
            reader=TEXT,
            standard=("OTEL_RESOURCE_ATTRIBUTES:service.namespace",),
            doc="Group of services that the name is unique in.",
        ),
    ] = None
    service_version: Annotated[
        str | None,
        Key(
            group=_WHO,
            reader=TEXT,
            standard=("OTEL_RESOURCE_ATTRIBUTES:service.version",),
            doc="Version of the program.",
        ),
    ] = None
    service_instance: Annotated[
        str | None,
        Key(
            group=_WHO,
            reader=TEXT,
            standard=("OTEL_RESOURCE_ATTRIBUTES:service.instance.id",),
            doc="Which of several running copies, such as the name of a pod.",
        ),
    ] = None
    environment: Annotated[
        str | None,
        Key(
            group=_WHO,
            reader=TEXT,
            standard=(
                "OTEL_RESOURCE_ATTRIBUTES:deployment.environment.name",
                "OTEL_RESOURCE_ATTRIBUTES:deployment.environment",
            ),
            doc="`production`, `staging`, `development` or your own word.",
        ),
    ] = None
    release: Annotated[
        str | None,
        Key(
            group=_WHO,
            reader=TEXT,
            doc="What was deployed, such as a commit or a build number.",
        ),
    ] = None

    content: Annotated[
        Content | Mapping[str, Content],
        Key(
            group=_CONTENT,
            reader=CONTENT,
            doc="What becomes of prompts, answers, tool arguments and results: `full` keeps them, "
            "`redacted` keeps them but for what `redact` is about, `hash` keeps a keyed "
            "hash, `none` drops them. One word, or a table that has one for each area and `default` for "
            "the rest; as a variable `arguments=none,default=redacted`. See how-to/content.md. "
            "Where nothing of ours sets it, "
            "`OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` decides: `NO_CONTENT` or `false` is "
            "`none`, `SPAN_ONLY`, `EVENT_ONLY`, `SPAN_AND_EVENT` or `true` is `redacted`.",
        ),
    ] = "redacted"
    redact: Annotated[
        Redact,
        Key(
            group=_CONTENT,
            reader=REDACT,
            doc="What becomes of secrets, cards, e-mail addresses, telephone numbers and the like where "
            "content is `redacted`: by kind, by area (a table of its own), and `default`. `patterns` "
            "and `recognisers` find more. As a variable `email=hash,outputs.ip=keep`. Sources are "
            "merged, entry by entry. See how-to/content.md.",
        ),
    ] = Redact()
    user_ids: Annotated[
        UserIds,
        Key(
            group=_CONTENT,
            reader=choice(UserIds),
            doc="What becomes of user ids: `hash` puts a keyed hash in their place, `keep` keeps them.",
        ),
    ] = "hash"
    hash_key: Annotated[
        str | None,
        Key(
            group=_CONTENT,
            reader=TEXT,
            secret=True,
            doc="Key of the hashes. Services that must join on a hashed id share it. Unset: one is "
            "made in `dir`, readable by you alone.",
        ),
    ] = None
    encrypt_key: Annotated[
        str | None,
        Key(
            group=_CONTENT,
            reader=TEXT,
            secret=True,
            doc="Key of what is encrypted: 64 hex digits. Needs the extra `spanloom[encrypt]`. Whoever has "
            "it reads such values with `spanloom reveal`.",
        ),
    ] = None

    threads: Annotated[
        bool,
        Key(
            group=_HOST,
            reader=FLAG,
            doc="Carry the current span into threads and thread pools.",
        ),
    ] = True
    signals: Annotated[
        bool,
        Key(
            group=_HOST,
            reader=FLAG,
            doc="Write out what is left on SIGTERM and SIGHUP, where nobody handles them, then let the signal do its work.",
        ),
    ] = True
    otel: Annotated[
        bool,
        Key(
            group=_HOST,
            reader=FLAG,
            doc="Share parents with OpenTelemetry, both ways, where the program has imported it.",
        ),
    ] = True
    log_level: Annotated[
        LogLevel,
        Key(
            group=_HOST,
            reader=choice(LogLevel, warn="warning", critical="fatal"),
            standard=("LOG_LEVEL",),
            doc="The lowest level that spanloom's own logger lets through.",
        ),
    ] = "warning"

    flush_interval_s: Annotated[
        float,
        Key(
            group=_DELIVERY,
            reader=seconds(0.01, 3600),
            doc="How long a span may wait before it is written or sent. A process killed with "
            "`kill -9` loses at most this much of its local record.",
        ),
    ] = 0.2
    shutdown_timeout_s: Annotated[
        float,
        Key(
            group=_DELIVERY,
            reader=seconds(0, 600),
            doc="How long the end of the program may wait for what is not delivered yet.",
        ),
    ] = 2.0
    flush_timeout_s: Annotated[
        float,
        Key(
            group=_DELIVERY,
            reader=seconds(0, 3600),
            doc="How long `flush()` waits where it is not told.",
        ),
    ] = 30.0
    batch_spans: Annotated[
        int,
        Key(group=_DELIVERY, reader=count(1, 65_536), doc="Most spans in one export."),
    ] = 512
    queue_spans: Annotated[
        int,
        Key(
            group=_DELIVERY,
            reader=count(1, 16_777_216),
            doc="Most spans that wait for the worker thread. Beyond it whole traces or leaves go, "
            "and are counted.",
        ),
    ] = 65_536
    queue_bytes: Annotated[
        int,
        Key(
            group=_DELIVERY,
            reader=size(64 * KIB, 64 * GIB),
            doc="The same in estimated bytes.",
        ),
    ] = 64 * MIB
    lane_spans: Annotated[
        int,
        Key(
            group=_DELIVERY,
            reader=count(1, 16_777_216),
            doc="Most spans that wait for one backend.",
        ),
    ] = 65_536
    lane_bytes: Annotated[
        int,
        Key(
            group=_DELIVERY,
            reader=size(64 * KIB, 64 * GIB),
            doc="The same in estimated bytes.",
        ),
    ] = 64 * MIB
    rotate_bytes: Annotated[
        int,
        Key(
            group=_DELIVERY,
            reader=size(64 * KIB, 64 * GIB),
            doc="A file of the local record that passes this is followed by a new one.",
        ),
    ] = 64 * MIB

    max_value_bytes: Annotated[
        int,
        Key(
            group=_LIMITS,
            reader=size(1 * KIB, 64 * MIB),
            doc="Hard cap of one value. What lies beyond is dropped before anything looks at it.",
        ),
    ] = 1 * MIB
    max_text_bytes: Annotated[
        int,
        Key(
            group=_LIMITS,
            reader=size(64, 64 * MIB),
            doc="Longest text that is recorded. A longer one is cut, and says so.",
        ),
    ] = 256 * KIB
    max_attributes: Annotated[
        int,
        Key(
            group=_LIMITS, reader=count(0, 65_536, "attributes"), doc="Most attributes of one span."
        ),
    ] = 128
    max_events: Annotated[
        int,
        Key(group=_LIMITS, reader=count(0, 65_536, "events"), doc="Most events of one span."),
    ] = 256
    max_depth: Annotated[
        int,
        Key(
            group=_LIMITS,
            reader=count(2, 128, "levels"),
            doc="Deepest nesting of a recorded value.",
        ),
    ] = 32
    max_blob_bytes: Annotated[
        int,
        Key(
            group=_LIMITS,
            reader=size(0, GIB),
            doc="Largest image, audio or file that is stored beside the record. Of a larger one "
            "only hash, size and type are kept.",
        ),
    ] = 20 * MIB

    sources: Mapping[str, str] = {}
    """Which source set which key. A key that is absent has its default."""

    def wants(self, integration: str) -> bool:
        """Whether this integration may be instrumented."""
        if self.integration_options.get(integration, {}).get("enabled") is False:
            return False
        return self.integrations is None or integration in self.integrations

    def plugin(self, group: Group, name: str) -> tuple[str, dict[str, Any]]:
        """The installed plugin that ``name`` stands for, and the options for its factory."""
        every: Options = getattr(self, f"{group.removesuffix('s')}_options")
        options = dict(every.get(name, {}))
        options.pop("enabled", None)
        return str(options.pop("type", name)), options

    def source(self, key: str) -> str:
        """Which source set ``key``, in words."""
        return self.sources.get(key, "default")

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """What differs from the defaults, without secrets. Options may hold keys of their own."""
        return [
            (key, info.shown(getattr(self, key)))
            for key, info in KEYS.items()
            if getattr(self, key) != getattr(DEFAULTS, key)
        ]

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{key}={value!r}' for key, value in self.__rich_repr__())})"


KEYS: Mapping[str, Key] = {
    name: annotation.__metadata__[0]
    for name, annotation in Settings.__annotations__.items()
    if hasattr(annotation, "__metadata__")
}
"""The table: what ``Settings`` says of each of its fields."""
DEFAULTS = Settings()
