"""The half that nobody improves by: its own values, keys, code, logs and layouts."""

from collections.abc import Mapping
from random import Random

from . import carriers, keys, values
from .carriers import Carriers, Fields, Style
from .hidden_prose import PROSE
from .model import NO_LANGUAGE, Maker, Part, Parts, Pool, chars, kind_of
from .values import FIRST, LAST

_HOSTS = (
    "zenith.io kliniek-oost.nl uni-graz.ac.at prefeitura.sp.gov.br students.tau.ac.il hanil.co.kr "
    "sub.deep.corp.example.com bücher-laden.de startup.ai museum.museum e.email icloud.com mail.ru 163.com"
).split()
# of vendors beyond those of the other half, mostly beside a name that tells
_VENDORS: Mapping[str, keys.Format] = {
    "OPENROUTER_API_KEY": ("sk-", "or-v1-", ("h", 64)),
    "DEEPSEEK_API_KEY": ("sk-", ("h", 32)),
    "ANTHROPIC_ADMIN_KEY": ("sk-ant-", "admin01-", ("w", 93), "AA"),
    "GITHUB_REFRESH_TOKEN": ("gh", "r_", ("a", 36)),
    "SLACK_APP_TOKEN": ("xap", "p-1-", ("A", 11), "-", ("d", 13), "-", ("h", 64)),
    "STRIPE_TEST_KEY": ("sk_", "test_", ("a", 24)),
    "GOOGLE_CLIENT_SECRET": ("GOC", "SPX-", ("w", 28)),
    "SENTRY_AUTH_TOKEN": ("sn", "tryu_", ("h", 64)),
    "SUPABASE_ACCESS_TOKEN": ("sb", "p_", ("h", 40)),
    "TAVILY_API_KEY": ("tv", "ly-", ("a", 32)),
    "DOCKER_TOKEN": ("dckr", "_pat_", ("w", 27)),
    "AIRTABLE_TOKEN": ("pa", "t", ("a", 14), ".", ("h", 64)),
    "SQUARE_SECRET": ("sq", "0csp-", ("w", 43)),
}  # fmt: skip


def email(rng: Random, _language: str) -> str:
    first, last, host = rng.choice(FIRST), rng.choice(LAST), rng.choice(_HOSTS)
    local = rng.choice((
        first, f"{first}.{rng.choice('abcdefgh')}.{last}", f"{last}+{chars(rng, 'l', 4)}{rng.randint(1, 9)}",
        f"{first.title()}.{last.title()}", f"{first}{last}".upper(), f"o.{last}", f"{last}_{first}", f"{rng.randint(100, 999)}.{last}",
    ))  # fmt: skip
    return f"{local}@{host if rng.random() < 0.9 else host.upper()}"


def _respaced(rng: Random, number: str) -> str:
    """Another mark between the groups; what stands in parentheses stays."""
    if "(" in number or "/" in number:
        return number
    mark = rng.choice((" ", " ", "-", ".", "\u00a0", ""))
    return number.replace(" ", mark) if " " in number else number


def abroad(rng: Random, language: str) -> str:
    return _respaced(rng, values.abroad(rng, language))


def phone(rng: Random, language: str) -> str:
    return _respaced(rng, values.phone(rng, language))


def card(rng: Random, _language: str) -> str:
    return values.card_with(rng, rng.choice(("", "", " ", " ", "-", "-", "\u00a0", ".")))


def iban(rng: Random, _language: str) -> str:
    compact = values.iban_compact(rng)
    return rng.choice(
        (
            compact,
            values.in_fours(compact),
            values.in_fours(compact, "\u00a0"),
            values.in_fours(compact, "-"),
            compact.lower(),
            f"{compact[:4]} {compact[4:]}",
        )
    )


def ip6(rng: Random, _language: str) -> str:
    made = values.ip6(rng)
    return rng.choice(
        (
            made,
            made.upper(),
            f"::ffff:{values.ip4(rng)}",
            f"fe80::{chars(rng, 'h', 4)}:{chars(rng, 'h', 3)}",
        )
    )


def ip(rng: Random, language: str) -> str:
    return values.ip4(rng) if rng.random() < 0.5 else ip6(rng, language)


def password(rng: Random, _language: str = NO_LANGUAGE) -> str:
    year, name = rng.randint(1980, 2026), rng.choice(FIRST)
    return rng.choice((
        f"{name}{year}", f"{name.title()}_{year}$", f"{chars(rng, 'L', 3)}#{chars(rng, 'w', 9)}", f"{name}.{rng.choice(LAST)}.{year % 100}x",
        chars(rng, "a", rng.randint(9, 40)), f"Qw{chars(rng, 'd', 3)}~{chars(rng, 'l', 6)}", f"{chars(rng, 'd', 4)}-{chars(rng, 'A', 4)}-{chars(rng, 'l', 4)}",
    ))  # fmt: skip


def token(rng: Random, language: str) -> str:
    if rng.random() < 0.12:
        return keys.build(rng, rng.choice(tuple(_VENDORS.values())))
    return keys.vendor_token(rng, language)


def _assigned(before: str, between: str, after: str) -> Maker:
    def make(rng: Random, _language: str) -> Parts:
        if rng.random() < 0.15:
            name = rng.choice(tuple(_VENDORS))
            key = keys.build(rng, _VENDORS[name])
        else:
            name, key = keys.vendor(rng) if rng.random() < 0.4 else keys.named(rng)
        name = rng.choice(("", "", "PROD_", "MY_APP_", "VITE_")) + name
        parts = (Part(before + name + between), Part(key, "secret"), Part(after))
        return tuple(part for part in parts if part.text)

    return make


def dsn(rng: Random, _language: str) -> Parts:
    before, after = rng.choice((
        ("mssql+pyodbc://sa:", "@sql-7.lan/crm?driver=ODBC"), ("clickhouse://reader:", "@ch.lan:9000/events"), ("ftp://media:", "@files.lan/in"),
        ("rediss://default:", "@eu1.cache.lan:6380"), ("http://elastic:", "@search-3:9200"), ("smtp://mailer:", "@smtp.lan:587"), ("postgresql://u1:", "@[fd12::5]:5432/x"),
    ))  # fmt: skip
    if "fd12" in after:
        return (
            Part(before),
            Part(keys.url_password(rng), "secret"),
            Part("@["),
            Part("fd12::5", "ip"),
            Part("]:5432/x"),
        )
    return (Part(before), Part(keys.url_password(rng), "secret"), Part(after))


MAKERS: dict[str, Maker] = {
    **carriers.MAKERS,
    "email": kind_of("email", email),
    "phone": kind_of("phone", phone),
    "phone+": kind_of("phone", abroad),
    "card": kind_of("card", card),
    "iban": kind_of("iban", iban),
    "ip": kind_of("ip", ip),
    "ip6": kind_of("ip", ip6),
    "password": kind_of("secret", password),
    "token": kind_of("secret", token),
    "dsn": dsn,
    "NAME: '": _assigned("", ": '", "'"),
    "NAME=": _assigned("", "=", ""),
    "env NAME": _assigned("ENV ", " ", ""),
    "'NAME' => ": _assigned("'", "' => '", "'"),
    "$env:NAME": _assigned("$env:", ' = "', '"'),
}

STYLE = Style(
    stamps=("⟦unix⟧ | ", "<14>1 ⟦iso⟧ web-2 api 811 - - ", "level=info ts=⟦iso⟧ ", "E ⟦iso⟧ worker/3] ", "⟦spanid⟧ "),
    turns=(("<|user|>\n", "<|assistant|>\n"), ("[14:02] Kim: ", "[14:03] Bot: "), ("**Kunde**: ", "**Agent**: "), ("> ", "")),
    between_turns="\n\n",
    between_sentences=(" ", "\n", " / "),
    starts=("GET /v2/me HTTP/2", "< HTTP/1.1 401 Unauthorized", "POST https://api.example.net/x HTTP/1.1"),
    indents=(None, 4, 1),
    separators=((",", ": "), (" , ", " : ")),
    outer=("payload", "body", "tool_input", "raw"),
    groups=("profile", "settings", "kwargs", "result"),
    delimiters="\t|;",
    quoted_csv=True,
    bases=("/v2/search?", "myapp://open?", "https://a.b.c.example.net:8443/x/⟦uuid⟧?", "wss://rt.example.io/socket?", "/cb#"),
    yaml_quotes=("", '"'),
    yaml_list=True,
    titles=("Ticket\n======", "#### TL;DR", "---\ntags: [ops]\n---"),
    content=("message", "prompt", "output", "summary"),
)  # fmt: skip

FIELDS: Fields = {
    "email": (("recipient", "⟦email⟧"), ("mailTo", "⟦email⟧"), ("e-mail", "⟦email⟧"), ("owner", "⟦email⟧"), ("cc", "Ana <⟦email⟧>")),
    "phone": (("tel", "⟦phone⟧"), ("mobilePhone", "⟦phone⟧"), ("contact_phone", "⟦phone⟧"), ("whatsapp", "⟦phone+⟧"), ("Telefon", "⟦phone⟧")),
    "ssn": (("SSN", "⟦ssn?⟧"), ("socialSecurityNumber", "⟦ssn?⟧"), ("applicant_ssn", "⟦ssn?⟧"), ("taxpayer", "⟦ssn⟧")),
    "national_id": (
        ("steuerIdentifikationsnummer", "⟦id.de⟧"), ("cpfCliente", "⟦id.br⟧"), ("documento_dni", "⟦id.es⟧"), ("secu", "⟦id.fr⟧"), ("codiceFiscale", "⟦id.it⟧"),
        ("PESEL", "⟦id.pl⟧"), ("burgerservicenummer", "⟦id.nl⟧"), ("aadhaar_number", "⟦id.in⟧"), ("身份证", "⟦id.cn⟧"), ("nino", "⟦id.gb⟧"), ("pnr", "⟦id.se⟧"),
        ("tc_kimlik_no", "⟦id.tr⟧"), ("주민등록번호", "⟦id.kr⟧"), ("fodselsnummer", "⟦id.no⟧"), ("henkilotunnus", "⟦id.fi⟧"), ("ahv", "⟦id.ch⟧"), ("rijksregister", "⟦id.be⟧"),
    ),
    "card": (("cardNumber", "⟦card⟧"), ("cc_no", "⟦card⟧"), ("credit_card", "⟦card⟧"), ("instrument", "⟦card⟧")),
    "iban": (("IBAN", "⟦iban⟧"), ("payee", "⟦iban⟧"), ("debtorAccount", "⟦iban⟧")),
    "ip": (("source", "⟦ip⟧"), ("peer", "⟦ip4⟧:51544"), ("ipAddress", "⟦ip⟧"), ("listen", "[⟦ip6⟧]:80"), ("subnet", "⟦ip4⟧/24")),
    "secret": (
        ("apiKey", "⟦token⟧"), ("dbPassword", "⟦password⟧"), ("secretAccessKey", "⟦awssecret⟧"), ("accessKeyId", "⟦awsid⟧"), ("privateKey", "⟦pem⟧"),
        ("AzureWebJobsStorage", "⟦azure⟧"), ("dsn", "⟦dsn⟧"), ("accessToken", "⟦opaque⟧"), ("refreshToken", "⟦opaque⟧"), ("clientSecret", "⟦opaque⟧"),
        ("bot", "⟦token⟧"), ("hook", "⟦key⟧"), ("id_token", "⟦jwt⟧"), ("Authorization", "bearer ⟦bearer⟧"), ("pwd", "⟦password⟧"), ("SECRET", "⟦hex40⟧"),
        ("sessionid", "⟦opaque⟧"), ("MISTRAL_API_KEY", "⟦byname⟧"), ("encryption_key", "⟦hex32⟧"), ("x-api-key", "⟦token⟧"), ("smtp_pass", "⟦password⟧"), ("credential", "⟦token⟧"),
    ),
    "plain": (
        ("requestId", "⟦uuid⟧"), ("traceId", "⟦traceid⟧"), ("parent", "⟦spanid⟧"), ("start_time_unix_nano", "=⟦unix⟧"), ("ts", "⟦iso⟧"), ("engine", "⟦model⟧"),
        ("maxTokens", "=⟦number⟧"), ("completion_tokens", "=⟦number⟧"), ("call_id", "⟦response⟧"), ("ticket", "⟦order⟧"), ("build", "⟦version⟧"), ("amount", "⟦price⟧"),
        ("score", "=⟦float⟧"), ("commit", "⟦sha⟧"), ("fill", "⟦colour⟧"), ("geo", "⟦place⟧"), ("hwaddr", "⟦mac⟧"), ("avatar", "⟦image⟧"), ("ean", "⟦isbn⟧"),
        ("parcel", "⟦baddigits⟧"), ("accessToken", "⟦placeholder⟧"), ("pwd", "⟦placeholder⟧"), ("subject", "Your password was changed"), ("passwordPolicy", "strong"),
        ("secretRef", "=false"), ("sha256", "⟦sha256⟧"), ("dep", "⟦package⟧"), ("mandate", "⟦badiban⟧"), ("token_limit", "=⟦number⟧"), ("tokenizer", "cl100k_base"),
        ("auth", "=null"), ("mention", "⟦handle⟧"), ("series", "⟦table⟧"), ("grant_type", "client_credentials"), ("dummy", "⟦badssn⟧"), ("keyword", "secret santa"),
    ),
}  # fmt: skip

LINES: Mapping[str, Pool] = {
    "code.go": {
        "email": ('to := []string{"⟦email⟧"}',),
        "phone": ('sms.Send("⟦phone+⟧", body)',),
        "ssn": ('rec.SSN = "⟦ssn⟧"',),
        "national_id": ('p := Person{Pesel: "⟦id.pl⟧"}', 'const bsn = "⟦id.nl⟧"', 'c.CPF = "⟦id.br⟧"'),
        "card": ('tok, err := vault.Store("⟦card⟧")',),
        "iban": ('dest := "⟦iban⟧"',),
        "ip": ('net.Dial("tcp", "⟦ip4⟧:9092")', 'addr := netip.MustParseAddr("⟦ip⟧")'),
        "secret": ('cfg.Token = "⟦token⟧"', 'os.Setenv("DB_PASSWORD", "⟦password⟧")', 'req.Header.Set("Authorization", "Bearer ⟦bearer⟧")', 'db, err := sql.Open("pgx", "⟦dsn⟧")', "var pemKey = `⟦pem⟧`"),
        "plain": (
            'key := os.Getenv("API_KEY")', "log.Printf(\"mail %s\", email)", "h := sha256.Sum256(token)", 'const rev = "⟦sha⟧"', "Password string `json:\"password\"`",
            "id := uuid.MustParse(\"⟦uuid⟧\")", "if cfg.Token == \"\" { return errNoToken }", "buf := make([]byte, ⟦number⟧)",
        ),
    },
    "code.other": {
        "email": ("INSERT INTO users (mail) VALUES ('⟦email⟧');", 'new MailAddress("⟦email⟧")'),
        "phone": ("UPDATE users SET phone = '⟦phone⟧' WHERE id = 4;",),
        "card": ('$gateway->charge(["number" => "⟦card⟧"]);',),
        "iban": ("SELECT * FROM accounts WHERE iban = '⟦iban⟧';",),
        "ip": ("ALTER USER app FROM '⟦ip4⟧';", 'bind "tcp://⟦ip4⟧:3000"'),
        "secret": (
            "CREATE USER app WITH PASSWORD '⟦password⟧';", "⟦'NAME' => ⟧,", 'variable "db" { default = "x" }\npassword = "⟦password⟧"', "⟦env NAME⟧", "String apiKey = \"⟦token⟧\";",
            'let client = Client::new().bearer_auth("⟦token⟧");', 'spring.datasource.password=⟦password⟧', '"ConnectionStrings": "Server=db;User Id=sa;Password=⟦opaque⟧;Encrypt=true"',
        ),
        "plain": (
            "SELECT token_count, password_hash FROM users WHERE id = ⟦number⟧;", "String key = System.getenv(\"TOKEN\");", "@Autowired private PasswordEncoder encoder;", "use std::env::var;",
            "puts ENV.fetch('SECRET_KEY_BASE')", "$password = $_POST['password'];", "FROM python:3.12.⟦small⟧-slim", "std::vector<Token> tokens(⟦number⟧);", "password = var.db_password",
            "a::b::token(c)", "fn secret(key: &str) -> Token { todo!() }",
        ),
    },
    "log": {
        "email": ("signup mail=⟦email⟧ plan=pro", "\"RCPT TO:<⟦email⟧>\" accepted", "acct ⟦email⟧: quota exceeded"),
        "phone": ("otp -> ⟦phone+⟧ delivered", "caller=⟦phone+⟧ queue=2"),
        "ssn": ("ssn ⟦ssn⟧ not unique",),
        "national_id": ("bsn:⟦id.nl⟧ verified", "party(pesel ⟦id.pl⟧) created", "steuer-id ⟦id.de⟧ rejected"),
        "card": ("3ds step-up for ⟦card⟧", "card.number=⟦card⟧ stored"),
        "iban": ("sepa to=⟦iban⟧ err=AC04",),
        "ip": ("ban ⟦ip⟧ for 600s", "src=⟦ip4⟧ dst=⟦ip4⟧ proto=6", "client ⟦ip6⟧ gone", "from=⟦ip4⟧#53"),
        "secret": ("login(admin, pwd=⟦password⟧) denied", "retry with token '⟦token⟧'", "dsn ⟦dsn⟧ unreachable", "authorization=Bearer ⟦bearer⟧", "dump: {⟦NAME: '⟧}", "apikey:⟦token⟧ over quota", "GET /x?access_token=⟦opaque⟧ 401"),
        "plain": (
            "rid=⟦uuid⟧ rt=⟦float⟧", "tp=00-⟦traceid⟧-⟦spanid⟧-00", "llm done, ⟦tokens⟧", "boot ⟦version⟧ rev ⟦sha7⟧", "⟦model⟧ -> ⟦response⟧", "invalid password for order ⟦order⟧",
            "unknown token '}' at line ⟦number⟧", "gauge ⟦table⟧", "nanos=⟦unix⟧", "skip ⟦baddigits⟧: checksum", "token bucket empty", "secret rotated", "nic ⟦mac⟧ up", "iban ⟦badiban⟧ invalid",
        ),
    },
    "headers": {
        "email": ("X-User: ⟦email⟧", "Return-Path: <⟦email⟧>", "to: \"Li, W.\" <⟦email⟧>"),
        "ip": ("Forwarded: for=⟦ip4⟧;proto=https", "CF-Connecting-IP: ⟦ip⟧", "x-client-ip:⟦ip⟧", 'Forwarded: for="[⟦ip6⟧]:4711"'),
        "secret": (
            "authorization: bearer ⟦bearer⟧", "Proxy-Authorization: Basic ⟦basic⟧", "x-goog-api-key: ⟦token⟧", "Set-Cookie: session=⟦opaque⟧; HttpOnly; Path=/", "Authorization: token ⟦token⟧",
            "PRIVATE-TOKEN: ⟦token⟧", "X-Auth-Token: ⟦opaque⟧", "Ocp-Apim-Subscription-Key: ⟦hex32⟧", "cookie: lang=de; auth_token=⟦opaque⟧",
        ),
        "plain": (
            "accept: */*", "x-amzn-trace-id: Root=1-⟦sha7⟧-⟦spanid⟧", "baggage: userId=⟦number⟧", "If-None-Match: W/\"⟦sha7⟧\"", "User-Agent: curl/8.⟦small⟧.1", "authorization: Bearer ⟦placeholder⟧",
            "openai-processing-ms: ⟦number⟧", "x-request-id: ⟦response⟧", "Last-Modified: Tue, 04 Mar 2025 10:11:12 GMT", "Cookie: theme=dark; consent=yes", "WWW-Authenticate: Bearer realm=\"api\"",
        ),
    },
    "shell": {
        "email": ("certbot -m ⟦email⟧ --agree-tos", "git commit --author='Bo <⟦email⟧>'"),
        "phone": ("twilio api:core:messages:create --to=⟦phone+⟧",),
        "card": ("http POST pay.lan/charge number='⟦card⟧'",),
        "iban": ("fints transfer -to=⟦iban⟧",),
        "ip": ("iptables -A INPUT -s ⟦ip4⟧ -j DROP", "scp x.tgz root@⟦ip4⟧:/srv", "dig @⟦ip4⟧ example.org", "nc -zv ⟦ip⟧ 22"),
        "secret": (
            "⟦$env:NAME⟧", "set ⟦NAME=⟧", "docker run -e ⟦NAME=⟧ app", "sshpass -p '⟦password⟧' ssh ops@box", "redis-cli -h c1 -a ⟦opaque⟧ ping", "http :8000/me 'Authorization:Bearer ⟦bearer⟧'",
            "kubectl create secret generic db --from-literal=password=⟦password⟧", "helm install x --set auth.password=⟦password⟧", "vault login ⟦token⟧", "pg_dump ⟦dsn⟧ > d.sql",
            "wget --user=bo --password '⟦password⟧' https://dl.lan/f", "twine upload -u __token__ -p ⟦token⟧ dist/*",
        ),
        "plain": (
            "git show ⟦sha7⟧ --stat", "uv add ⟦package⟧", "cp -p a b && tar -xpf c.tar", "ssh -p 2222 box", "docker login -u ci --password-stdin", "export TOKEN=$(vault read -field=t x)", "history | grep -i password",
            "gh secret list", "openssl rand -hex 32", "echo ⟦placeholder⟧ > key", "docker pull ghcr.io/acme/app@sha256:⟦sha256⟧", "netstat -p tcp", "git remote set-url origin git@gitlab.com:a/b.git",
        ),
    },
    "markdown": {
        "email": ("*Reporter*: <⟦email⟧>", "| ⟦email⟧ | admin |"),
        "phone": ("| Tel. | ⟦phone⟧ |", "☎ ⟦phone+⟧"),
        "ssn": ("* ssn → ⟦ssn⟧",),
        "national_id": ("* BSN → ⟦id.nl⟧", "| DNI | ⟦id.es⟧ |", "**Steuer-ID** ⟦id.de⟧"),
        "card": ("* card `⟦card⟧` (declined)",),
        "iban": ("| payout | ⟦iban⟧ |",),
        "ip": ("| `⟦ip⟧` | up |", "1. from **⟦ip⟧**"),
        "secret": ("~~~env\n⟦NAME=⟧\n~~~", "> pw: `⟦password⟧`", "| Bearer | `⟦token⟧` |", "<details>\n⟦pem⟧\n</details>", "**Password:** ⟦password⟧"),
        "plain": (
            "| ⟦number⟧ | ⟦float⟧ | ⟦number⟧ |", "_Password manager_ rollout, see ⟦order⟧", "* [x] bump to ⟦version⟧", "```diff\n- token = None\n+ token = get()\n```", "<!-- ⟦uuid⟧ -->", "**Tokens:** ⟦number⟧ of ⟦number⟧",
            "* cost ⟦price⟧, model `⟦model⟧`", "* secret ballot on ⟦iso⟧", "| ⟦order⟧ | ⟦baddigits⟧ |", "cc ⟦handle⟧ ⟦handle⟧",
        ),
    },
}  # fmt: skip

HIDDEN = Carriers(MAKERS, PROSE, FIELDS, LINES, STYLE)
