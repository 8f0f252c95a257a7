"""Made-up keys in the vendors' public formats, passwords, tokens, key files.

Prefix and body stand apart, so that a scanner of this repository finds no key in it.
"""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from random import Random

from .model import Maker, Part, Parts, chars, found, kind_of

# A format is read from left to right: 'text' as it stands, or a set of characters and how many
Format = tuple[str | tuple[str, int], ...]
_OPENAI = "T3Blbk" + "FJ"

VENDORS: Mapping[str, tuple[Format, ...]] = {
    "OPENAI_API_KEY": (
        ("sk-proj-", ("w", 74), _OPENAI, ("w", 74)),
        ("sk-svcacct-", ("w", 58), _OPENAI, ("w", 58)),
        ("sk-", ("a", 20), _OPENAI, ("a", 20)),
    ),
    "ANTHROPIC_API_KEY": (("sk-ant-", "api03-", ("w", 93), "AA"),),
    "AWS_ACCESS_KEY_ID": (("AK", "IA", ("z", 16)), ("AS", "IA", ("z", 16))),
    "GOOGLE_API_KEY": (("AI", "za", ("w", 35)),),
    "GITHUB_TOKEN": (
        ("gh", "p_", ("a", 36)),
        ("gh", "o_", ("a", 36)),
        ("gh", "s_", ("a", 36)),
        ("github", "_pat_", ("a", 22), "_", ("a", 59)),
    ),
    "GITLAB_TOKEN": (("gl", "pat-", ("w", 20)),),
    "SLACK_BOT_TOKEN": (
        ("xox", "b-", ("d", 12), "-", ("d", 13), "-", ("a", 24)),
        ("xox", "p-", ("d", 12), "-", ("d", 12), "-", ("d", 13), "-", ("h", 32)),
    ),
    "SLACK_WEBHOOK_URL": (
        ("https://hooks.slack", ".com/services/T", ("A", 10), "/B", ("A", 10), "/", ("a", 24)),
    ),
    "STRIPE_SECRET_KEY": (("sk_", "live_", ("a", 24)), ("rk_", "live_", ("a", 99))),
    "STRIPE_WEBHOOK_SECRET": (("wh", "sec_", ("a", 32)),),
    "TWILIO_API_KEY": (("S", "K", ("h", 32)),),
    "SENDGRID_API_KEY": (("S", "G.", ("w", 22), ".", ("w", 43)),),
    "MAILGUN_API_KEY": (("ke", "y-", ("h", 32)),),
    "NPM_TOKEN": (("np", "m_", ("a", 36)),),
    "PYPI_TOKEN": (("py", "pi-AgEI", "cHlwaS5vcmc", ("w", 140)),),
    "HF_TOKEN": (("h", "f_", ("L", 34)),),
    "GROQ_API_KEY": (("gs", "k_", ("a", 52)),),
    "XAI_API_KEY": (("xa", "i-", ("a", 80)),),
    "REPLICATE_API_TOKEN": (("r", "8_", ("a", 37)),),
    "PINECONE_API_KEY": (("pc", "sk_", ("a", 5), "_", ("a", 64)),),
    "DATABRICKS_TOKEN": (("da", "pi", ("h", 32)), ("da", "pi", ("h", 32), "-2")),
    "DIGITALOCEAN_TOKEN": (("do", "p_v1_", ("h", 64)),),
    "SHOPIFY_TOKEN": (("sh", "pat_", ("h", 32)),),
    "SQUARE_ACCESS_TOKEN": (("EA", "AA", ("w", 60)), ("sq", "0atp-", ("w", 22))),
    "TELEGRAM_BOT_TOKEN": (("7", ("d", 9), ":AA", ("w", 33)),),
    "DISCORD_BOT_TOKEN": (("MT", ("a", 24), ".G", ("w", 5), ".", ("w", 38)),),
    "DISCORD_WEBHOOK": (("https://discord", ".com/api/webhooks/1", ("d", 18), "/", ("w", 68)),),
    "LINEAR_API_KEY": (("lin_", "api_", ("a", 40)),),
    "NOTION_TOKEN": (("nt", "n_", ("a", 46)), ("sec", "ret_", ("a", 43))),
    "ATLASSIAN_API_TOKEN": (("ATA", "TT3xFfGF0", ("w", 171), "=", ("H", 8)),),
    "HEROKU_API_KEY": (("HRKU-", "AA", ("w", 58)),),
    "NEW_RELIC_API_KEY": (("NR", "AK-", ("A", 27)),),
    "GRAFANA_TOKEN": (("gl", "sa_", ("a", 32), "_", ("h", 8)),),
    "VAULT_TOKEN": (("hv", "s.", ("a", 24)), ("hv", "s.", ("w", 92))),
    "DOPPLER_TOKEN": (("dp.", "pt.", ("a", 43)),),
    "LANGFUSE_SECRET_KEY": (
        ("sk-", "lf-", ("h", 8), "-", ("h", 4), "-4", ("h", 3), "-a", ("h", 3), "-", ("h", 12)),
    ),
    "LANGSMITH_API_KEY": (
        ("lsv2", "_pt_", ("h", 32), "_", ("h", 10)),
        ("lsv2", "_sk_", ("h", 32), "_", ("h", 10)),
    ),
    "PERPLEXITY_API_KEY": (("pp", "lx-", ("a", 48)),),
    "FIREWORKS_API_KEY": (("f", "w_", ("a", 24)),),
}
# nothing in the value tells: only the name beside it does
BY_NAME: Mapping[str, Format] = {
    "AWS_SECRET_ACCESS_KEY": (("b", 40),),
    "COHERE_API_KEY": (("a", 40),),
    "MISTRAL_API_KEY": (("a", 32),),
    "TOGETHER_API_KEY": (("h", 64),),
    "TWILIO_AUTH_TOKEN": (("h", 32),),
    "DD_API_KEY": (("h", 32),),
    "DATADOG_APP_KEY": (("h", 40),),
    "HEROKU_API_KEY": (("h", 8), "-", ("h", 4), "-4", ("h", 3), "-b", ("h", 3), "-", ("h", 12)),
    "AZURE_OPENAI_API_KEY": (("h", 32),),
    "ALGOLIA_ADMIN_KEY": (("h", 32),),
    "CLIENT_SECRET": (("w", 40),),
    "ACCESS_TOKEN": (("w", 48),),
    "REFRESH_TOKEN": (("w", 56),),
    "SECRET_KEY": (("w", 50),),
    "JWT_SECRET": (("a", 32),),
    "API_KEY": (("a", 32),),
}
_PEMS = ("RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "PRIVATE KEY")
_WORDS = "amber cloud river stone maple tiger ocean comet velvet pepper saddle lantern".split()
_DASHES = "-" * 5


def build(rng: Random, form: Format) -> str:
    return "".join(step if isinstance(step, str) else chars(rng, *step) for step in form)


def vendor(rng: Random) -> tuple[str, str]:
    name = rng.choice(tuple(VENDORS))
    return name, build(rng, rng.choice(VENDORS[name]))


def named(rng: Random) -> tuple[str, str]:
    name = rng.choice(tuple(BY_NAME))
    return name, build(rng, BY_NAME[name])


def password(rng: Random, _language: str = "") -> str:
    """What a person or a generator would take; nothing that a carrier would have to escape."""
    word, other = rng.sample(_WORDS, 2)
    return rng.choice(
        (
            f"{word.title()}{rng.randint(10, 9999)}!",
            f"{word.title()}{other.title()}{rng.randint(1, 99)}",
            f"{word}-{other}-{rng.choice(_WORDS)}-{rng.randint(10, 99)}",
            chars(rng, "a", rng.randint(12, 24)),
            f"{chars(rng, 'a', 6)}!{chars(rng, 'a', 5)}*{chars(rng, 'd', 2)}",
            f"{word[0].upper()}@{other}{rng.randint(100, 999)}",
        )
    )


def url_password(rng: Random) -> str:
    return rng.choice((chars(rng, "a", rng.randint(10, 28)), password(rng).replace("@", "%40")))


def jwt(rng: Random, _language: str = "") -> str:
    def part(data: object) -> str:
        return urlsafe_b64encode(json.dumps(data, separators=(",", ":")).encode()).decode()

    head = {"alg": rng.choice(("HS256", "RS256", "ES256")), "typ": "JWT"}
    body = {"sub": chars(rng, "d", 10), "iat": rng.randint(1_600_000_000, 1_790_000_000)}
    return ".".join((part(head).rstrip("="), part(body).rstrip("="), chars(rng, "w", 43)))


def basic(rng: Random, _language: str = "") -> str:
    pair = f"{rng.choice(('admin', 'svc', 'deploy', 'ci'))}:{chars(rng, 'a', rng.randint(9, 20))}"
    return b64encode(pair.encode()).decode()


def pem(rng: Random, _language: str = "") -> str:
    title = rng.choice((*_PEMS, "PGP PRIVATE KEY BLOCK"))
    lines = [chars(rng, "b", 64) for _ in range(rng.randint(3, 8))]
    lines.append(chars(rng, "b", rng.randint(20, 60)) + "==")
    if title.startswith("PGP"):
        lines = ["", *lines, "=" + chars(rng, "b", 4)]
    return "\n".join((f"{_DASHES}BEGIN {title}{_DASHES}", *lines, f"{_DASHES}END {title}{_DASHES}"))


def bearer(rng: Random, language: str = "") -> str:
    return rng.choice((jwt(rng), chars(rng, "w", 40), chars(rng, "h", 40), vendor_token(rng)))


def vendor_token(rng: Random, _language: str = "") -> str:
    """A vendor's key that is one word: no URL."""
    while True:
        key = vendor(rng)[1]
        if "://" not in key:
            return key


def dsn(rng: Random, _language: str) -> Parts:
    before, after = rng.choice((
        ("postgres://app:", "@db.internal:5432/orders"),
        ("postgresql+asyncpg://svc_report:", "@pg-2.prod.local/metrics?sslmode=require"),
        ("mysql://root:", "@mysql:3306/shop"),
        ("redis://:", "@cache-1:6379/0"),
        ("mongodb+srv://writer:", "@cluster0.ab1cd.mongodb.net/main"),
        ("amqp://worker:", "@rabbit.prod:5672/vhost"),
        ("https://ci-bot:", "@git.corp.local/team/app.git"),
    ))  # fmt: skip
    return (Part(before), Part(url_password(rng), "secret"), Part(after))


def azure(rng: Random, _language: str) -> Parts:
    return (
        Part(f"DefaultEndpointsProtocol=https;AccountName={rng.choice(_WORDS)}store;AccountKey="),
        Part(chars(rng, "b", 86) + "==", "secret"),
        Part(";EndpointSuffix=core.windows.net"),
    )


def _assigned(between: str, quote: str = "", lower: bool = False) -> Maker:
    """NAME=VALUE, of vendors whose key shows itself and of those where the name must."""

    def make(rng: Random, _language: str) -> Parts:
        name, key = vendor(rng) if rng.random() < 0.4 else named(rng)
        start = (name.lower() if lower else name) + between + quote
        return (Part(start), Part(key, "secret"), *((Part(quote),) if quote else ()))

    return make


def value_by_name(rng: Random, _language: str = "") -> str:
    return named(rng)[1]


MAKERS: dict[str, Maker] = {
    "key": kind_of("secret", lambda rng, _: vendor(rng)[1]),
    "token": kind_of("secret", vendor_token),
    "byname": kind_of("secret", value_by_name),
    "hex32": kind_of("secret", lambda rng, _: chars(rng, "h", 32)),
    "hex40": kind_of("secret", lambda rng, _: chars(rng, "h", 40)),
    "opaque": kind_of("secret", lambda rng, _: chars(rng, "w", rng.randint(24, 48))),
    "awssecret": kind_of("secret", lambda rng, _: chars(rng, "b", 40)),
    "awsid": kind_of("secret", lambda rng, _: build(rng, VENDORS["AWS_ACCESS_KEY_ID"][0])),
    "password": kind_of("secret", password),
    "urlpassword": kind_of("secret", lambda rng, _: url_password(rng)),
    "jwt": kind_of("secret", jwt),
    "basic": kind_of("secret", basic),
    "bearer": kind_of("secret", bearer),
    "pem": kind_of("secret", pem),
    "dsn": dsn,
    "azure": azure,
    "NAME=": _assigned("="),
    "NAME: ": _assigned(": "),
    'NAME="': _assigned("=", '"'),
    'name = "': _assigned(" = ", '"', lower=True),
    "gcpemail": lambda rng, _: found(
        "email",
        f"svc-{chars(rng, 'l', 5)}@{rng.choice(_WORDS)}-{rng.randint(100000, 999999)}"
        ".iam.gserviceaccount.com",
    ),
}
