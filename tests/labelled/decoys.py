"""What looks like personal data or a key, and is none."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random

from . import checksums
from .model import Maker, chars, plain
from .national import ssn
from .values import CARDS, group, iban_compact, in_fours

_MODELS = (
    "gpt-4o-2024-08-06 gpt-4.1-mini-2025-04-14 claude-sonnet-4-5-20250929 gemini-2.5-flash-001 "
    "claude-3-5-haiku-20241022 text-embedding-3-large mistral-large-2411 o3-mini-2025-01-31 "
    "meta-llama/Llama-3.3-70B-Instruct-Turbo qwen2.5-72b-instruct deepseek-r1-distill-qwen-32b"
).split()
_RESPONSES = (
    ("chatcmpl-", "a", 29), ("msg_01", "a", 22), ("resp_", "h", 48), ("call_", "a", 24),
    ("toolu_01", "a", 22), ("run_", "a", 24), ("thread_", "a", 24), ("file-", "a", 24),
    ("asst_", "a", 24), ("req_011", "a", 21), ("batch_", "h", 32), ("fp_", "h", 10),
)  # fmt: skip
_PLACEHOLDERS = (
    "<YOUR_API_KEY>", "sk-...", "${PASSWORD}", "****", "********", "YOUR_TOKEN_HERE", "$API_KEY",
    "{{ api_key }}", "<password>", "[REDACTED]", "xxxxxxxx", "your-api-key", "%(password)s",
    "${{ secrets.GITHUB_TOKEN }}", "$(cat token.txt)", "{api_key}", "<secret>", "sk-xxxx", "null",
)  # fmt: skip


def moment(rng: Random) -> datetime:
    return datetime(2023, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randint(0, 110_000_000))


def any_uuid(rng: Random, _language: str) -> str:
    version = rng.choice((1, 3, 4, 5, 7))
    made = str(uuid.UUID(int=rng.getrandbits(128)))
    made = f"{made[:14]}{version}{made[15:19]}{rng.choice('89ab')}{made[20:]}"
    return rng.choice((made, made, made.upper()))


def bad_digits(rng: Random, _language: str) -> str:
    """The length and often the prefix of a card; the check digit is wrong."""
    prefixes, length, groups = rng.choice(CARDS)
    prefix = rng.choice((*prefixes, chars(rng, "d", 2)))
    body = prefix + chars(rng, "d", length - 1 - len(prefix))
    wrong = (int(checksums.luhn(body)) + rng.randint(1, 9)) % 10
    return group(f"{body}{wrong}", groups, rng.choice(("", "", "-", " ")))


def bad_iban(rng: Random, _language: str) -> str:
    good = iban_compact(rng)
    wrong = f"{(int(good[2:4]) - 2 + rng.randint(1, 95)) % 97 + 2:02}"
    made = good[:2] + wrong + good[4:]
    return rng.choice((made, in_fours(made)))


def bad_ssn(rng: Random, _language: str) -> str:
    area, two, serial = ssn(rng)
    return rng.choice((f"000-{two}-{serial}", f"666-{two}-{serial}", f"{area}-00-{serial}"))


def isbn(rng: Random, _language: str) -> str:
    body = rng.choice(("978", "979")) + chars(rng, "d", 9)
    check = -checksums.weighted(body, (1, 3) * 6) % 10
    return f"{body[:3]}-{body[3]}-{body[4:8]}-{body[8:]}-{check}"


def unix(rng: Random, _language: str) -> str:
    seconds = rng.randint(1_500_000_000, 1_799_999_999)
    return str(seconds) + rng.choice(("", chars(rng, "d", 3), chars(rng, "d", 9)))


def iso(rng: Random, _language: str) -> str:
    at = moment(rng)
    return rng.choice(
        (
            at.date().isoformat(),
            at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            f"{at:%Y-%m-%dT%H:%M:%S}.{chars(rng, 'd', 6)}+00:00",
            at.strftime("%d.%m.%Y"),
            at.strftime("%Y%m%d"),
            at.strftime("%Y-%m-%d %H:%M:%S"),
        )
    )


def version(rng: Random, _language: str) -> str:
    four = f"{rng.randint(1, 30)}.{rng.randint(0, 9)}.{rng.randint(0, 9)}.{rng.randint(0, 40)}"
    three = f"{rng.randint(0, 9)}.{rng.randint(0, 30)}.{rng.randint(0, 20)}"
    return rng.choice((
        f"version {four}", f"v{four}", f"v{three}", f"{three}-rc.{rng.randint(1, 9)}",
        f"{three}+build.{rng.randint(1, 999)}", f"Version: {four}", f"release {three}",
    ))  # fmt: skip


def price(rng: Random, _language: str) -> str:
    whole, cents = rng.randint(1, 9999), chars(rng, "d", 2)
    return rng.choice((f"${whole:,}.{cents}", f"{whole},{cents} €", f"£{whole}.{cents}",
                       f"{whole}.{cents} USD", f"¥{whole:,}", f"{whole} zł"))  # fmt: skip


def order(rng: Random, _language: str) -> str:
    return rng.choice((
        f"ORD-{chars(rng, 'd', 8)}", f"#{chars(rng, 'd', 6)}", f"A-{chars(rng, 'd', 4)}-{chars(rng, 'A', 3)}",
        f"INV-{rng.randint(2021, 2026)}-{chars(rng, 'd', 5)}", f"PO{chars(rng, 'd', 7)}",
        f"SKU-{chars(rng, 'A', 4)}-{chars(rng, 'd', 4)}", f"TICKET-{chars(rng, 'd', 4)}",
    ))  # fmt: skip


def place(rng: Random, _language: str) -> str:
    north, east = rng.uniform(-80, 80), rng.uniform(-170, 170)
    return rng.choice((f"{north:.6f}, {east:.6f}", f"{north:.4f},{east:.4f}"))


def table(rng: Random, _language: str) -> str:
    width = rng.randint(3, 6)
    return " ".join(f"{rng.uniform(0, 1000):.{rng.randint(0, 3)}f}" for _ in range(width))


def groups(rng: Random, _language: str) -> str:
    return rng.choice((
        f"{rng.randint(1, 99)}/{rng.randint(100, 200)}", f"{chars(rng, 'd', 2)} of {chars(rng, 'd', 3)}",
        f"[{', '.join(chars(rng, 'd', 2) for _ in range(6))}]", f"{rng.randint(1, 12)}-{rng.randint(13, 30)}",
        f"1{chars(rng, 'd', 3)}x7{chars(rng, 'd', 2)}", f"ext. {chars(rng, 'd', 4)}",
    ))  # fmt: skip


def response(rng: Random, _language: str) -> str:
    prefix, kind, count = rng.choice(_RESPONSES)
    return prefix + chars(rng, kind, count)


def tokens(rng: Random, _language: str) -> str:
    count = rng.randint(1, 99_999)
    return rng.choice((
        f"max_tokens: {count}", f'"token": {count}', f"tokens used: {count}", f"total_tokens={count}",
        f"{count} tokens", f"prompt_tokens={count}", f"token_count: {count}", f"cached_tokens: {count}",
    ))  # fmt: skip


def package(rng: Random, _language: str) -> str:
    three = f"{rng.randint(0, 20)}.{rng.randint(0, 20)}.{rng.randint(0, 9)}"
    return rng.choice((f"@vercel/ai@{three}", f"@types/node@{three}", f"lodash@{three}",
                       f"@scope/pkg@{three}", f"requests=={three}", f"numpy-{three}.tar.gz"))  # fmt: skip


def image(rng: Random, _language: str) -> str:
    return (
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA"
        + chars(rng, "b", rng.randint(60, 200))
        + "=="
    )


def mac(rng: Random, _language: str) -> str:
    return rng.choice(":-").join(chars(rng, "H", 2) for _ in range(6))


def colour(rng: Random, _language: str) -> str:
    return rng.choice((f"#{chars(rng, 'h', 6)}", f"#{chars(rng, 'h', 3)}", f"#{chars(rng, 'h', 8)}",
                       f"rgb({rng.randint(0, 255)}, {rng.randint(0, 255)}, {rng.randint(0, 255)})"))  # fmt: skip


def _hex(count: int) -> Callable[[Random, str], str]:
    return lambda rng, _: chars(rng, "h", count)


def _one_of(*texts: str) -> Callable[[Random, str], str]:
    return lambda rng, _: rng.choice(texts)


def _decoy(make: Callable[[Random, str], str]) -> Maker:
    return lambda rng, language: plain(make(rng, language))


DECOYS: dict[str, Callable[[Random, str], str]] = {
    "uuid": any_uuid,
    "traceid": _hex(32),
    "spanid": _hex(16),
    "sha": _hex(40),
    "sha7": _hex(7),
    "sha256": _hex(64),
    "baddigits": bad_digits,
    "badiban": bad_iban,
    "badssn": bad_ssn,
    "isbn": isbn,
    "unix": unix,
    "iso": iso,
    "version": version,
    "price": price,
    "order": order,
    "place": place,
    "table": table,
    "groups": groups,
    "response": response,
    "tokens": tokens,
    "package": package,
    "image": image,
    "mac": mac,
    "colour": colour,
    "model": _one_of(*_MODELS),
    "placeholder": _one_of(*_PLACEHOLDERS),
    "handle": _one_of("@maria_codes", "@dev-team", "@channel", "@octocat", "@here", "@zoe99"),
    "number": lambda rng, _: str(rng.randint(0, 5000)),
    "small": lambda rng, _: str(rng.randint(1, 9)),
    "float": lambda rng, _: f"{rng.uniform(0, 2):.3f}",
}
MAKERS: dict[str, Maker] = {name: _decoy(make) for name, make in DECOYS.items()}
