"""Secrets by the name before them: ``password=``, ``--token``, ``://user:password@``."""

import re
from functools import lru_cache
from string import ascii_lowercase
from typing import Final

from spanloom.processors.rules import words
from spanloom.processors.rules.later import later
from spanloom.processors.rules.screen import Rule
from spanloom.processors.rules.values import secretive, stand_in

_COUNTS: Final = frozenset(
    {"max", "min", "num", "number", "total", "count", "per", "prompt", "completion", "input",
     "output", "cached", "cache", "reasoning", "page", "next", "continuation", "stop", "eos", "bos",
     "pad", "sep", "unk", "cls", "mask", "special", "first", "last", "each", "generated", "usage"}
)  # fmt: skip
_CALLED: Final = {"пароль", "парола", "лозинка"}.union(
    re.sub("[^\\w]", "", word)
    for word in (*words.PLAIN, *words.NAMED, *words.CASED, *words.SPACED, *words.UNSPACED)
)
"""A password, in one word."""
_PASSWORDS: Final = _CALLED | {
    "passwords", "passwd", "passwds", "pwd", "passw", "secret", "dbpass", "userpass", "smtppass",
    "mailpass", "mysqlpass", "pgpass", "adminpass", "rootpass", "loginpass",
}  # fmt: skip
"""Under them even a number is a secret."""
_ALONE: Final = _PASSWORDS | {
    "secrets", "token", "apikey", "authorization", "auth", "credential", "credentials", "cookie", "cookies",
    "accesskey", "secretkey", "privatekey", "accesstoken", "authtoken", "clientsecret", "apitoken", "bearertoken",
    "refreshtoken", "sessiontoken", "connectionstring", "sharedaccesssignature", "pat", "pass", "pw", "passkey", "psw", "ww", "creds",
    "pswd", "cleapi", "cléapi", "claveapi", "chaveapi", "chiaveapi", "kluczapi", "llaveapi", "apischluessel", "apischlüssel", "apisleutel", "apinyckel",
    "bearer", "jwt", "psk", "connstr", "connstring", "connectionstr", "mnemonic", "seedphrase", "recoveryphrase",
}  # fmt: skip
_ENDINGS: Final = (
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "pwd",
    "accesskey",
    "secretkey",
)
_WHERE: Final = frozenset(
    "prod production dev development staging stage test live sandbox local value plain plaintext confirm confirmation "
    "repeat b64 base64 base new old current primary secondary".split()
)
"""What may stand behind such a name: ``API_KEY_PROD``."""
_BEFORE_KEY: Final = frozenset(
    "api access secret private priv consumer merchant partner client signing encryption account master auth shared admin app application service server "
    "license deploy deployment bot webhook session hmac jwt storage write ingest ingestion integration subscription "
    "function root restricted personal developer decryption vault recovery wallet ssh gpg pgp rsa aes "
    "openai anthropic claude gemini cohere mistral groq together fireworks perplexity deepseek xai openrouter replicate "
    "huggingface pinecone weaviate qdrant langsmith langfuse wandb tavily serper serpapi elevenlabs stability "
    "stripe sendgrid mailgun twilio datadog newrelic algolia segment amplitude mixpanel sentry airtable notion "
    "cloudflare digitalocean heroku supabase github gitlab slack azure".split()
)  # fmt: skip
"""``api_key``, and what vendors' keys are called."""
_PARTS = later(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+")


@lru_cache(maxsize=256)
def secret_name(name: str) -> bool:
    """Whether what stands under that name is a secret; ``max_tokens`` and ``next_page_token`` are not."""
    parts = [part.lower() for part in _PARTS.findall(name[-128:])]
    while parts and parts[-1].isdigit():
        parts.pop()
    if not parts or (_COUNTS.intersection(parts[:-1]) and parts[-1] == "token"):
        return False
    while len(parts) > 1 and parts[-1] in _WHERE:
        parts.pop()
    if parts[-1] in _ALONE or parts[-1].endswith(_ENDINGS):
        return True
    if parts[-1] == "key" and len(parts) > 1:
        return parts[-2] in _BEFORE_KEY
    return "".join(parts[-2:]) in _ALONE or "".join(parts[-3:]) in _ALONE


_MAYBE: Final = frozenset(
    "key sig signature csrf xsrf oauth license licence sessionid phpsessid jsessionid hmac refresh access credential login "
    "geheim geheimnis segreto segredo secreto hemlighet schluessel schlüssel cle clé llave chiave chave sleutel klucz "
    "nyckel ключ".split()
)
_NO_SECRET_KEYS: Final = frozenset(
    "public pub primary foreign sort cache partition object s3 row hash lookup idempotency index group routing unique "
    "composite natural surrogate translation i18n config json dict map metric event issue storage blob file path".split()
)
_RANDOM = later(
    r"(?=[^A-Z]{0,64}[A-Z])(?=[^a-z]{0,64}[a-z])(?=[^0-9]{0,64}[0-9])[A-Za-z0-9_+/=.-]{20,512}|[0-9a-f]{32,128}"
)


def random_name(name: str, value: object) -> bool:
    """Whether a name that may mean much else, such as ``key``, is that of a secret, for its value is random."""
    if type(value) is not str or len(value) > 512:
        return False
    parts = [part.lower() for part in _PARTS.findall(name[-64:])]
    if not parts or parts[-1] not in _MAYBE or not _NO_SECRET_KEYS.isdisjoint(parts):
        return False
    return _RANDOM.fullmatch(value) is not None and (len(parts) > 1 or not value.islower())


def password_name(name: str) -> bool:
    """Of secret names those under which even a number is a secret."""
    parts = [part.lower() for part in _PARTS.findall(name[-128:])]
    return not _PASSWORDS.isdisjoint((*parts, "".join(parts[-2:]), "".join(parts[-3:])))


_VALUE_CHARS: Final = 4096
_BARE: Final = frozenset(
    {"token", "auth", "cookie", "cookies", "credential", "credentials", "secrets"}
)
_NUMBER = later(r"[-+]?[0-9]{1,7}(?:[.,][0-9]{1,16})?")
_LINE = later(r"[^\n\"'`;,&]{1,64}")
_WEAK: Final = frozenset({"pass", "pw", "pat", "ww"})
"""Names that mean much else."""
_TYPE = later(r"&?(?:'static )?[A-Za-z][\w<>\[\]. |?]{0,40}?\s?=\s?(?=[\"'`])")
"""Between a name and its value: ``token: &str = "..."``."""
_SCHEME = later(
    r"(?:(?i:bearer|basic|token|digest|negotiate|apikey|key|bot|ssws|splunk|geniekey|oauth|sso-key|hawk)\s{1,4})?"
)
_UNQUOTED = later(rf"(?:[^\s,;&\"'<>\\)}}\]|`]|&(?![\w.%-]{{0,64}}=)){{1,{_VALUE_CHARS}}}")
_OPEN = later(r"\\{0,8}[\"'`]")
_PAIRS = later(rf"[A-Za-z]\w{{0,32}}=[^\s\"'<>\\]{{1,{_VALUE_CHARS}}}")
"""``AccountName=...;AccountKey=...``"""
_PROSE = later(r"[A-Za-z\u00c0-\u024f]{1,32}[,.]? {1,2}[^\W\d_]")
_LETTERS_AND_DIGIT = later(r"(?=[^\s\d]{0,64}\d)\S{8}")
_NAME_CHARS = later(r"[\w.-]{0,64}\Z")


def _assigned(match: re.Match[str]) -> tuple[int, int] | None:
    text, start = match.string, match.end()
    lead = _NAME_CHARS.search(text, max(0, match.start() - 64), match.start())
    name = (lead[0] if lead else "") + match[1]
    if not secret_name(name):
        value = _RANDOM.match(text, start + (text[start : start + 1] in ("'", '"')))
        return value.span() if value and random_name(name, value[0]) else None
    typed = _TYPE.match(text, start) if match[0].rstrip().endswith(":") else None
    start = typed.end() if typed else start
    opening = _OPEN.match(text, start)
    if opening is not None:
        begin, end = opening.end(), _closing(text, opening)
        return None if end <= begin or empty(name, text[begin:end]) else (begin, end)
    scheme = _SCHEME.match(text, start)
    start = scheme.end() if scheme else start
    line = _LINE.match(text, start)
    if line is not None and stand_in(line[0].strip(), quoted=False):
        return None
    value = (
        name.lower().rstrip("ing").endswith("str") and _PAIRS.match(text, start)
    ) or _UNQUOTED.match(text, start)
    if value is None or empty(name, value[0], quoted=False):
        return None
    if name.lower() in _WEAK and not secretive(value[0].rstrip(".,")):
        return None
    queried = text[match.start() - 1 : match.start()] in ("?", "&")
    if (
        _PROSE.match(text, start)
        and not secretive(value[0])
        and text[start - 1 : start] == " "
        and "=" not in match[0]
    ):
        return None  # "password: the one that you chose"
    if name.lower() in _BARE and not queried:
        # "token: the smallest unit" is prose
        return value.span() if _LETTERS_AND_DIGIT.match(value[0]) else None
    return value.span()


def empty(name: str, value: str, *, quoted: bool = True) -> bool:
    """Whether under a secret's name stands no secret: a placeholder, a count, the name again."""
    if stand_in(value if len(value) <= _VALUE_CHARS else value[:_VALUE_CHARS], quoted=quoted):
        return True
    if _NUMBER.fullmatch(value):
        return len(value) < 3 or not password_name(name)
    return not quoted and value.isidentifier() and secret_name(value) and value.lower() != "secret"


def _closing(text: str, opening: re.Match[str]) -> int:
    """Where the quoted value ends: at the same quote, escaped just as often (JSON in JSON)."""
    quote, escapes, begin = opening[0][-1], len(opening[0]) - 1, opening.end()
    limit = min(len(text), begin + _VALUE_CHARS)
    at = begin
    for _ in range(64):
        end = text.find(quote, at, limit)
        if end < 0:
            break
        slashes = end
        while slashes > begin and text[slashes - 1] == "\\" and end - slashes <= 16:
            slashes -= 1
        if end - slashes <= escapes:
            return slashes
        at = end + 1
    # never closed, as in a cut text: up to the end of the line
    line = later(r"[^\r\n]*").match(text, begin, limit)
    return line.end() if line else begin


_FOREIGN: Final = tuple(word for word in (*words.PLAIN, *words.NAMED) if word != "password")
_NAME = (
    r"pass(?:word|wd|w)s?|pwd|pass|pw|psw|ww|creds|secrets?|token|credentials?|authorization|auth|cookies?|pat|sig(?:nature)?"
    r"|(?:[a-z]{1,16}[-_. ]?)key|conn(?:ection)?[-_ ]?str(?:ing)?|bearer|jwt|psk|mnemonic|pswd|key|sessionid|csrf|oauth|signature|"
    + "|".join(word.replace("-", "[-_ ]?").replace(" ", "[-_ ]?") for word in _FOREIGN)
)

ASSIGNED: Final = Rule(
    name="assigned",
    kind="secret",
    view="names",
    hints=(
        "password", "passwords", "passwd", "passw", "pwd", "secret", "secrets",
        "token", "credential", "credentials", "authorization", "auth", "cookie", "cookies",
        "apikey", "connectionstring", "sharedaccesssignature", "dbpass", "userpass", "smtppass", "mailpass", "pgpass",
        "mysqlpass", "adminpass", "rootpass", "loginpass",
        *(f"{letter}{word}" for letter in ("", *ascii_lowercase, *"{,(&?;/|") for word in ("pass", "pw", "pat", "psw", "ww", "mdp")),
        *(f"{word}key" for word in sorted(_BEFORE_KEY)),
        *(re.sub("[^a-z]", "", word) for word in _FOREIGN),
        *(f"{word}{where}" for word in ("password", "secret", "token", "key", "passwd", "pwd") for where in sorted(_WHERE)),
        "key", "sig", "signature", "csrf", "oauth", "pswd",
        "pswd", "cleapi", "cléapi", "claveapi", "chaveapi", "chiaveapi", "kluczapi", "llaveapi", "apischluessel", "apischlüssel", "apisleutel", "apinyckel",
    "bearer", "jwt", "psk", "connstr", "connectionstr", "mnemonic",
    ),
    pattern=later(
        rf"((?ai:(?:{_NAME})(?:[-_.]?(?:{'|'.join(sorted(_WHERE))}))?)\d{{0,4}})[\"'\\\]`*]{{0,8}}\s{{0,4}}(?:=>|:=|={{1,2}}|:)[*\s]{{0,4}}"
    ),
    spot=_assigned,
)  # fmt: skip


SESSION: Final = Rule(
    name="assigned session",
    kind="secret",
    view="text",
    # by itself: without its dot ``session.id``, which most spans have, would be the same
    hints=("sessionid", "SESSIONID", "SessionId"),
    asked=True,
    pattern=ASSIGNED.pattern,
    spot=_assigned,
)


def _passed(match: re.Match[str]) -> tuple[int, int] | None:
    """``define("DB_PASSWORD", "...")``, ``.apiKey("...")``, ``<password>...</password>``."""
    lead = _NAME_CHARS.search(match.string, max(0, match.start() - 64), match.start())
    name = (lead[0] if lead else "") + match["name"]
    if match["call"] and not _SETTER.match(name):
        return None
    value = match["text"] or match["quoted"]
    if not secret_name(name) or empty(name, value, quoted=True):
        return None
    good = match["text"] or secretive(value)
    return match.span("text" if match["text"] else "quoted") if good else None


_SETTER = later(r"(?i:.*(?:set|with)_?\w*\Z|\.|.*\.\w+\Z)")
_PASSED_TAIL: Final = (
    r"\w{0,24})(?:>(?P<text>[^<>\s]{4,512})</"
    r"|(?:\\{0,4}[\"']\s?,\s?|[\"']?\]\s?=\s?|(?P<call>\())\\{0,4}[\"'](?P<quoted>[^\"'\\\s]{4,512})\\{0,4}[\"']"
    r"(?=\s{0,2}[)\]};]))"
)

_PAIR_LEAD = later(
    r"(?i:auth|login|credentials?|connect|sign_?in|authenticate|user|password|account)\w{0,12}\s?=?\s?\Z"
)


def _second(match: re.Match[str]) -> tuple[int, int] | None:
    """``login("jane", "...")``, ``auth=("jane", "...")``."""
    lead = match.string[max(0, match.start() - 32) : match.start()]
    return match.span(1) if _PAIR_LEAD.search(lead) and secretive(match[1]) else None


PAIR: Final = Rule(
    name="second", kind="secret", view="text", hints=("uth(", "uth=(", "redential"), spot=_second, needs="\"'",
    pattern=later(r"\(\\{0,4}[\"'][^\"'\\\n]{1,64}\\{0,4}[\"'],\s?\\{0,4}[\"']([^\"'\\\s]{5,256})\\{0,4}[\"']"),
)  # fmt: skip

PASSED: Final = (
    PAIR,
    Rule(name="identified", kind="secret", view="text", hints=("FIED BY", "ASSWORD '"), spot=lambda match: match.span(1), needs="\"'",
         pattern=later(r"(?:FIED BY|ASSWORD) [\"']([^\"'\n]{1,256})[\"']")),
    *(
    Rule(name=f"passed {stem}", kind="secret", view="text", hints=(stem,), spot=_passed, needs="\"'<",
         pattern=later(f"(?P<name>{stem}{_PASSED_TAIL}"))
      for stem in ("assw", "ASSW", "ecret", "oken", "piKey", "PI_KEY", "pi-key", "pi-Key", "PI-Key", "uthorization")),
)  # fmt: skip


def _option(match: re.Match[str]) -> tuple[int, int] | None:
    span = match.span(match.lastindex or 0)
    if match.lastgroup == "short" and not _LOGIN.search(_line_before(match)):
        return None
    return None if stand_in(match[match.lastindex or 0], quoted=False) else span


def _line_before(match: re.Match[str]) -> str:
    lead = match.string[max(0, match.start() - 256) : match.start()]
    return lead[lead.rfind("\n") + 1 :]


_LOGIN = later(
    r"\b(?:login|sshpass|mysql\w*|mariadb\w*|mongo\w*|htpasswd|ldap\w+|mosquitto_\w+|redis-cli|unzip|7z|zip|smbclient|ipmitool|rabbitmq\w*)\b"
)

OPTION: Final = Rule(
    name="option",
    kind="secret",
    view="text",
    hints=("--", " -u ", " -p", " -a ", "configure set "),
    asked=True,
    pattern=later(
        r"--(?:[a-z]{1,20}-){0,3}(?:password|passwd|pass|pwd|token|secret|api-?key|access-key|secret-key)"
        r"(?:[ =][\"']?|[\"'],\s?[\"'])([^\s\"'\\-][^\s\"'\\]{0,1023})"
        r"|(?:(?<= -u )|(?<= --user[ =]))[\"']?[^\s\"':]{1,64}:([^\s\"'\\]{1,256})"  # of curl
        r"|(?: -[pa] ?)[\"']?(?P<short>[^\s\"'\\-][^\s\"'\\]{3,255})"  # of docker login
        r"|(?<=configure set )(?=[\w.-]{0,64}(?i:password|token|secret|_key))"
        r"[\w.-]{1,128} [\"']?([^\s\"'\\-][^\s\"'\\]{3,1023})"
    ),
    spot=_option,
)


def _password_in_url(match: re.Match[str]) -> tuple[int, int]:
    # an "@" in the password should be escaped and often is not
    more = _UP_TO_HOST.match(match.string, match.end())
    return match.start(1), (more.end() if more else match.end()) - 1


_UP_TO_HOST = later(r"(?:[^\s/@\"'<>\\]{0,128}@){1,4}")

URL: Final = Rule(
    name="url",
    kind="secret",
    view="text",
    hints=("@",),
    pattern=later(r"://[^\s/@:\"'<>\\]{0,128}:([^\s/@\"'<>\\]{1,512})@"),
    spot=_password_in_url,
)

URL_TOKEN: Final = Rule(  # https://TOKEN@host: nobody's name is so long, and has digits
    name="url_token",
    kind="secret",
    view="text",
    hints=("@",),
    pattern=later(r"://(?=[^\s/@:]{0,64}[0-9])([A-Za-z0-9_-]{20,512})(?=:?@)"),
    spot=lambda match: match.span(1),
)
