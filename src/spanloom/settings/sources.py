"""Where values come from: the arguments of ``init()``, the environment, one configuration file.

The first source that has a key wins. What is wrong is said once, with its place and the fix, and
the default is used: a typing error must not stop the program that we only watch. Of ``content`` the
cautious value is used instead.
"""

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, get_args

from ..errors import mistake
from .file import File, find, parse
from .policies import Content, read_redact
from .readers import brief, near
from .table import DEFAULTS, KEYS, Group, Settings

OTEL_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_OTEL_CONTENT_WORDS: Mapping[str, Content] = {
    "NO_CONTENT": "none", "FALSE": "none", "SPAN_ONLY": "redacted", "EVENT_ONLY": "redacted",
    "SPAN_AND_EVENT": "redacted", "TRUE": "redacted",
}  # fmt: skip

# variables of ours that are no settings: for tests, and what `spanloom run` tells its children
OTHER_VARIABLES = frozenset(
    {"SPANLOOM_STRICT", "SPANLOOM_CASSETTES", "SPANLOOM_RUN", "SPANLOOM_ROOT"}
)
RUN_PREFIX = "SPANLOOM_RUN_"
# Kubernetes puts such names into every pod beside a service that is called "spanloom..."
_KUBERNETES = re.compile(r"\w+_SERVICE_(HOST|PORT(_\w+)?)|\w+_PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?")

_SEE = "The settings are listed in docs/reference/settings.md."


_MERGED = "redact"
"""The setting that is put together from all sources: a word in a variable must not switch off the
patterns in a file."""


class _Found(NamedTuple):
    source: str
    value: Any
    weaker: tuple["_Found", ...] = ()


def variable(key: str) -> str | None:
    """Our own environment variable for a setting, where it has one."""
    return None if KEYS[key].argument_only else f"SPANLOOM_{key.upper()}"


def load(
    overrides: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
) -> Settings:
    """Read the settings from arguments, environment and one file, in this order.

    Args:
        overrides: the arguments of ``init()``; ``None`` as a value means "not given".
        environ: ``os.environ`` unless given.
        cwd: where the search for a file starts; the working directory unless given.

    Raises:
        SpanloomError: a key, a value or the file is wrong; only under SPANLOOM_STRICT, else a
            warning, and the default stands.

    """
    environ = os.environ if environ is None else environ
    try:
        base = os.path.abspath(cwd or os.getcwd())
    except FileNotFoundError:  # somebody removed the working directory
        base = ""
    found: dict[str, _Found] = {}
    _from_arguments(overrides or {}, found)
    _from_environment(environ, found)

    file = None
    named = found.pop("config", None)
    path = None if named is None else _value("config", named)
    if path is not None:
        file = parse(os.path.join(base, os.path.expanduser(path)), named=True)
    elif base:
        file = find(base)
    if file is not None:
        _from_file(file, found)
    if "content" not in found:
        _content_of_otel(environ, found)

    values = {key: _value(key, item) for key, item in found.items() if key != _MERGED}
    if _MERGED in found:
        values[_MERGED] = _redact(found[_MERGED])
    directory = values.get("dir") or DEFAULTS.dir
    in_file = file is not None and "dir" in found and found["dir"].source == file.source
    start = os.path.dirname(file.path) if file is not None and in_file else base
    values["dir"] = os.path.normpath(os.path.join(start, os.path.expanduser(directory)))
    if file is not None and file.usable:
        found["config"] = named or _Found("the search upwards", file.path)
    return Settings(
        **values,
        config=None if file is None or not file.usable else file.path,
        sources={key: item.source for key, item in found.items()},
    )


def _value(key: str, found: _Found) -> Any:
    """What was found, read and checked; else the default, once the user has been told."""
    info, default = KEYS[key], getattr(DEFAULTS, key)
    if key == "content":  # whoever set it wanted something else than our default: keep nothing
        default = "none"
    try:
        return info.reader.read(found.value)
    except (ValueError, TypeError) as exc:
        reason = str(exc) if isinstance(exc, ValueError) else ""
    if not reason and not info.secret and isinstance(found.value, str) and key != "content":
        reason = _did_you_mean(found.value.strip().lower(), info.reader.choices)
    shown = "the value (not shown)" if info.secret else brief(found.value)
    mistake(
        f"spanloom: {found.source} sets {key} to {shown}, which is not allowed"
        f"{reason and f' ({reason})'}. Allowed: {info.reader.allowed}. Correct it there; until then "
        f"{'the default ' if default == getattr(DEFAULTS, key) else ''}{default!r} is used."
    )
    return default


def _redact(found: _Found) -> Any:
    sources = (found, *found.weaker)
    redact, wrong = read_redact(*(each.value for each in sources))
    for each, entries in zip(sources, wrong, strict=True):
        for key, shown, reason, allowed, instead in entries:
            mistake(
                f"spanloom: {each.source} sets {_MERGED}{key and f'.{key}'} to {shown}, which is not "
                f"allowed{reason and f' ({reason})'}. Allowed: {allowed}. Correct it there; until then {instead}."
            )
    return redact


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    return near(word, known)[2:]


def _unknown(what: str, word: str, known: Iterable[str]) -> None:
    # without the value: a misspelt name may be that of a secret
    hint = _did_you_mean(word, known)
    mistake(
        f"spanloom: {what} is not a known setting and is ignored{hint and f' ({hint})'}. {_SEE}"
    )


def _from_arguments(overrides: Mapping[str, object], found: dict[str, _Found]) -> None:
    for key, value in overrides.items():
        if value is None:
            continue
        if key in KEYS:
            _put(key, value, f"the argument {key}=", found)
        else:
            _unknown(f"the argument {key}=", key, KEYS)


def _from_environment(environ: Mapping[str, str], found: dict[str, _Found]) -> None:
    own = {name: key for key in KEYS if (name := variable(key))}
    for name, key in own.items():
        value = environ.get(name, "")
        if value.strip():  # as in OpenTelemetry, empty means unset
            _note(key, _Found(f"the variable {name}", value), found)
    for key, info in KEYS.items():
        for name in info.standard if key not in found else ():
            if said := _standard(key, name, environ):
                plain, _, attribute = name.partition(":")
                source = f"the variable {plain}{attribute and f' ({attribute})'}"
                found[key] = _Found(source, said)
                break
    for name in environ:
        if (
            name.startswith("SPANLOOM_")
            and name not in own
            and name not in OTHER_VARIABLES
            and not name.startswith(RUN_PREFIX)
            and not _KUBERNETES.fullmatch(name)
        ):
            _unknown(f"the variable {name}", name, own)


def _standard(key: str, name: str, environ: Mapping[str, str]) -> str | None:
    """What a variable that others defined says to us."""
    name, _, attribute = name.partition(":")
    value = environ.get(name, "").strip()
    if attribute:
        return _resource_attributes(value).get(attribute)
    if name == "OTEL_SDK_DISABLED":  # by the specification nothing but "true" says anything
        return value if value.lower() == "true" else None
    if name == "LOG_LEVEL":  # the program's own: a word that we do not know is not addressed to us
        return value if value.lower() in KEYS[key].reader.choices else None
    return value


def _resource_attributes(text: str) -> dict[str, str]:
    if not text:
        return {}
    from urllib.parse import unquote  # costs a millisecond, and few set the variable

    pairs = (pair.partition("=") for pair in text.split(","))
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}


def _content_of_otel(environ: Mapping[str, str], found: dict[str, _Found]) -> None:
    """The variable of the convention replaces our default, and nothing else."""
    word = environ.get(OTEL_CONTENT, "").strip().upper()
    if not word:
        return
    content = _OTEL_CONTENT_WORDS.get(word)
    if content is not None:
        found["content"] = _Found(f"the variable {OTEL_CONTENT}", content)
        return
    hint = _did_you_mean(word, _OTEL_CONTENT_WORDS)
    mistake(
        f"spanloom: the variable {OTEL_CONTENT} is {brief(word)}, which is not allowed"
        f"{hint and f' ({hint})'}. Allowed: {', '.join(_OTEL_CONTENT_WORDS)}. Correct it there; until "
        f"then the default {DEFAULTS.content!r} is used."
    )


def _from_file(file: File, found: dict[str, _Found]) -> None:
    known = [key for key in KEYS if variable(key) and key != "config"]
    for key, value in file.values.items():
        if key not in known:
            _unknown(f"{key!r} in {file.source}", key, known)
        elif isinstance(value, Mapping):
            _put(key, value, file.table(key), found)
        else:
            _put(key, value, file.source, found)


def _put(key: str, value: object, source: str, found: dict[str, _Found]) -> None:
    """Note a value that no stronger source has set.

    A mapping by plugin is options. For backends and processors it also says which are on; its
    options stay in force where a stronger source says that.
    """
    if key in get_args(Group) and isinstance(value, Mapping):
        found.setdefault(f"{key.removesuffix('s')}_options", _Found(source, value))
        if key == "integrations" or not value:
            return
        value = [name for name, options in value.items() if not _is_off(options)]
    _note(key, _Found(source, value), found)


def _note(key: str, item: _Found, found: dict[str, _Found]) -> None:
    stronger = found.setdefault(key, item)
    if stronger is not item and key == _MERGED:
        found[key] = stronger._replace(weaker=(*stronger.weaker, item))


def _is_off(options: object) -> bool:
    return isinstance(options, Mapping) and options.get("enabled") is False
