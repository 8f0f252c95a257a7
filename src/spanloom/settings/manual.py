"""The reference page, made from the table."""

from typing import Any

from .readers import bytes_text
from .sources import RUN_PREFIX, variable
from .table import DEFAULTS, KEYS, Key

_HEAD = """\
# Settings

Generated from the table in `spanloom.settings`; edit that, then run `python docs/generate.py`.

A setting comes from the first of these that has it:

1. an argument of `spanloom.init(...)`;
2. the environment: the variables below, our own before the standard ones. Empty means unset;
3. one configuration file: the one that `config` or `SPANLOOM_CONFIG` names, else the nearest
   `spanloom.toml`, or `pyproject.toml` with a table `[tool.spanloom]`, from the working directory
   upwards. Files are never merged. Directories where anybody may write, such as `/tmp`, are searched
   only if they are the working directory itself.

A wrong key or value is one warning that names the place, the value and the fix; the default is used and
your program runs. `content` is the exception: a wrong value, or a file that cannot be read, means `none`,
for what was kept by mistake cannot be taken back. With `SPANLOOM_STRICT=1` it raises `spanloom.errors.SpanloomError` instead.

```toml
# spanloom.toml; in pyproject.toml the same keys stand under [tool.spanloom]
service_name = "support"
content = "redacted"
flush_interval_s = "500ms"

[backends.local]            # each table is one backend; without options: backends = ["local"]

[backends.archive]          # the same backend again, under another name
type = "local"
dir = "/var/lib/support/traces"
enabled = false             # off, but ready: SPANLOOM_BACKENDS=archive switches it on

[integrations.openai]       # options, or enabled = false; does not switch the others off
enabled = true
```
"""

_TAIL = f"""
## Variables that are no settings

- `SPANLOOM_STRICT=1`: our own faults and wrong use raise instead of warn. For tests.
- `SPANLOOM_CASSETTES`: where our own test suite finds recorded traffic.
- `{RUN_PREFIX}*`: what `spanloom run` tells the processes that it starts. Not for you to set.
"""


def reference() -> str:
    """All settings as a page of Markdown."""
    lines = [_HEAD]
    group = ""
    for key, info in KEYS.items():
        if info.group != group:
            group = info.group
            lines.append(f"## {group}\n")
        lines += [f"### `{key}`\n", info.doc, "", *_facts(key, info), ""]
    return "\n".join(lines) + _TAIL


def _facts(key: str, info: Key) -> list[str]:
    default = _shown(getattr(DEFAULTS, key), info)
    facts = [f"- Default: {default}", f"- Allowed: {info.reader.allowed.replace('|', 'or')}"]
    if info.reader.unit:
        facts.append(f"- Unit: {info.reader.unit}")
    if own := variable(key):
        standard = [
            name.replace(":", "` (`") + ("`)" if ":" in name else "`") for name in info.standard
        ]
        facts.append(
            f"- Environment: {', then '.join([f'`{own}`', *(f'`{name}' for name in standard)])}"
        )
    else:
        facts.append("- Argument of `init()` only")
    if info.secret:
        facts.append("- Secret: never in a message, a log or a record")
    return facts


def _shown(value: Any, info: Key) -> str:
    if value is None:
        return "unset"
    if info.reader.unit == "bytes":
        return f"`{value}` ({bytes_text(value)})"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    if isinstance(value, (tuple, dict)):
        return ", ".join(f'`"{item}"`' for item in value) or "none"
    return f"`{value}`"
