"""What the half "seen" puts its values into, besides prose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import decoys, keys, values
from .model import Maker, Pool
from .prose import PROSE

# key and template; a leading "=" means a bare number or word, without quotes
Fields = Mapping[str, Sequence[tuple[str, str]]]


@dataclass(frozen=True)
class Style:
    """How this half writes things down; each text takes one of the choices."""

    stamps: tuple[str, ...]  # before a line of a log
    turns: tuple[tuple[str, str], ...]  # how two speakers are named
    between_turns: str
    between_sentences: tuple[str, ...]
    starts: tuple[str, ...]  # of a request or an answer
    indents: tuple[int | None, ...]
    separators: tuple[tuple[str, str], ...]  # of JSON
    outer: tuple[str, ...]  # keys that lead to JSON in a string
    groups: tuple[str, ...]  # keys that hold further keys
    delimiters: str  # of CSV
    quoted_csv: bool
    bases: tuple[str, ...]  # of URLs
    yaml_quotes: tuple[str, ...]
    yaml_list: bool
    titles: tuple[str, ...]  # of Markdown
    content: tuple[str, ...]  # keys of free text


@dataclass(frozen=True)
class Carriers:
    makers: Mapping[str, Maker]
    prose: Mapping[str, Pool]
    fields: Fields
    lines: Mapping[str, Pool]  # by shape, or by shape, a dot and a sort
    style: Style


MAKERS = {**decoys.MAKERS, **values.MAKERS, **keys.MAKERS}

STYLE = Style(
    stamps=("⟦iso⟧ INFO app: ", "[⟦iso⟧] WARN ", "INFO:root:", "DEBUG app.http - "),
    turns=(("User: ", "Assistant: "), ("Human: ", "AI: ")),
    between_turns="\n",
    between_sentences=(" ",),
    starts=("POST /v1/chat/completions HTTP/1.1", "HTTP/1.1 200 OK"),
    indents=(None, 2),
    separators=((", ", ": "), (",", ":")),
    outer=("arguments", "input"),
    groups=("user", "config", "metadata"),
    delimiters=",;",
    quoted_csv=False,
    bases=("https://api.acme.com/v1/users?", "http://localhost:8000/login?", "https://shop.example.org/pay?"),
    yaml_quotes=("", '"', "'"),
    yaml_list=False,
    titles=("# Notes", "## Customer", "### Setup"),
    content=("content", "text", "question"),
)  # fmt: skip

FIELDS: Fields = {
    "email": (("email", "⟦email⟧"), ("user_email", "⟦email⟧"), ("from", "⟦email⟧"), ("contact", "⟦email⟧"), ("client_email", "⟦gcpemail⟧")),
    "phone": (("phone", "⟦phone⟧"), ("phone_number", "⟦phone⟧"), ("mobile", "⟦phone⟧"), ("telephone", "⟦phone+⟧")),
    "ssn": (("ssn", "⟦ssn?⟧"), ("social_security_number", "⟦ssn?⟧"), ("ssn", "⟦ssn⟧")),
    "national_id": (
        ("steuer_id", "⟦id.de⟧"), ("cpf", "⟦id.br⟧"), ("dni", "⟦id.es⟧"), ("nir", "⟦id.fr⟧"), ("codice_fiscale", "⟦id.it⟧"),
        ("pesel", "⟦id.pl⟧"), ("bsn", "⟦id.nl⟧"), ("aadhaar", "⟦id.in⟧"), ("id_card", "⟦id.cn⟧"), ("ni_number", "⟦id.gb⟧"),
        ("personnummer", "⟦id.se⟧"), ("tckn", "⟦id.tr⟧"), ("rrn", "⟦id.kr⟧"), ("national_id", "⟦id.no⟧"), ("hetu", "⟦id.fi⟧"),
    ),
    "card": (("card_number", "⟦card⟧"), ("card", "⟦card⟧"), ("pan", "⟦card⟧"), ("payment", "⟦card⟧")),
    "iban": (("iban", "⟦iban⟧"), ("account", "⟦iban⟧"), ("bank_account", "⟦iban⟧")),
    "ip": (("ip", "⟦ip⟧"), ("client_ip", "⟦ip⟧"), ("remote_addr", "⟦ip⟧"), ("host", "⟦ip4⟧:8443")),
    "secret": (
        ("api_key", "⟦token⟧"), ("password", "⟦password⟧"), ("aws_secret_access_key", "⟦awssecret⟧"), ("aws_access_key_id", "⟦awsid⟧"),
        ("private_key", "⟦pem⟧"), ("connection_string", "⟦azure⟧"), ("database_url", "⟦dsn⟧"), ("access_token", "⟦opaque⟧"),
        ("refresh_token", "⟦opaque⟧"), ("client_secret", "⟦opaque⟧"), ("token", "⟦token⟧"), ("webhook", "⟦key⟧"), ("jwt", "⟦jwt⟧"),
        ("authorization", "Bearer ⟦bearer⟧"), ("passwd", "⟦password⟧"), ("secret_key", "⟦hex40⟧"), ("session_token", "⟦opaque⟧"),
        ("cohere_api_key", "⟦byname⟧"), ("dd_api_key", "⟦hex32⟧"), ("auth_token", "⟦hex32⟧"),
    ),
    "plain": (
        ("id", "⟦uuid⟧"), ("trace_id", "⟦traceid⟧"), ("span_id", "⟦spanid⟧"), ("created", "=⟦unix⟧"), ("created_at", "⟦iso⟧"),
        ("model", "⟦model⟧"), ("max_tokens", "=⟦number⟧"), ("token", "=⟦small⟧"), ("response_id", "⟦response⟧"), ("order_id", "⟦order⟧"),
        ("version", "⟦version⟧"), ("price", "⟦price⟧"), ("temperature", "=⟦float⟧"), ("sha", "⟦sha⟧"), ("color", "⟦colour⟧"),
        ("location", "⟦place⟧"), ("mac", "⟦mac⟧"), ("image_url", "⟦image⟧"), ("isbn", "⟦isbn⟧"), ("tracking", "⟦baddigits⟧"),
        ("api_key", "⟦placeholder⟧"), ("password", "⟦placeholder⟧"), ("topic", "password reset"), ("has_password", "=true"),
        ("status", "ok"), ("digest", "⟦sha256⟧"), ("package", "⟦package⟧"), ("reference", "⟦badiban⟧"), ("total_tokens", "=⟦number⟧"),
        ("token_type", "bearer"), ("secret", "=null"), ("handle", "⟦handle⟧"), ("tool_call_id", "⟦response⟧"), ("admin", "root@localhost"), ("sample", "⟦badssn⟧"),
    ),
}  # fmt: skip

LINES: Mapping[str, Pool] = {
    "code.python": {
        "email": ('user = User(email="⟦email⟧")', "send_mail(to='⟦email⟧', subject='Hi')"),
        "phone": ('client.messages.create(to="⟦phone+⟧", body=text)',),
        "ssn": ('applicant = {"ssn": "⟦ssn⟧"}',),
        "national_id": ('assert is_valid(cpf="⟦id.br⟧")', "steuer_id = '⟦id.de⟧'", 'pesel = "⟦id.pl⟧"'),
        "card": ('charge(card="⟦card⟧", amount=1200)',),
        "iban": ("pay_out(iban='⟦iban⟧')",),
        "ip": ('ALLOWED_HOSTS = ["⟦ip4⟧"]', 'sock.connect(("⟦ip⟧", 443))'),
        "secret": (
            'client = OpenAI(api_key="⟦token⟧")', 'os.environ["ANTHROPIC_API_KEY"] = "⟦token⟧"', 'password = "⟦password⟧"', "⟦name = \"⟧",
            'engine = create_engine("⟦dsn⟧")', 'headers = {"Authorization": "Bearer ⟦bearer⟧"}', 'KEY = """⟦pem⟧"""', "SECRET_KEY = '⟦opaque⟧'",
        ),
        "plain": (
            'key = os.environ["OPENAI_API_KEY"]', 'print(f"mail {email} to {user.phone}")', '@app.get("/users/{user_id}")\ndef show(user_id: int): ...',
            "password = getpass.getpass()", "def login(user: str, password: str, token: str | None = None) -> None: ...", "tokens = tokenizer.encode(text)[:⟦number⟧]",
            'trace_id = "⟦traceid⟧"', '__version__ = "0.12.⟦small⟧"', 'model = "⟦model⟧"', "max_tokens=⟦number⟧,", "rows = [⟦number⟧, ⟦number⟧, ⟦number⟧]",
            'raise ValueError("password must not be empty")', "secret = secrets.token_hex(16)", 'commit = "⟦sha⟧"', "x = values[::2]  # every second",
            'api_key = config["api_key"]', 'client = Client(token=settings.token, password=args.password)', "if token == tokens[i]: count += 1",
        ),
    },
    "code.js": {
        "email": ("const to = '⟦email⟧';",),
        "phone": ('const phone = "⟦phone⟧";',),
        "card": ("pay({ card: '⟦card⟧', cvc });",),
        "iban": ('const iban = "⟦iban⟧";',),
        "ip": ("fetch('http://⟦ip4⟧:3000/health');",),
        "secret": (
            "const apiKey = '⟦token⟧';", 'const stripe = new Stripe("⟦token⟧");', "const db = { user: 'app', password: '⟦password⟧' };",
            "axios.get(url, { headers: { Authorization: `Bearer ⟦bearer⟧` } });", "const conn = '⟦azure⟧';", "clientSecret: '⟦opaque⟧',",
        ),
        "plain": (
            "const key = process.env.TOKEN;", "console.log(`mail ${email}`);", "import { z } from '@scope/pkg';", "const id = '⟦uuid⟧';", "color: '⟦colour⟧',",
            "const token = await getToken();", "type Props = { password: string; token?: string };", "const at = ⟦unix⟧;", "if (!password) throw new Error('password required');",
        ),
    },
    "log": {
        "email": ("login ok user=⟦email⟧", "mail queued to=<⟦email⟧> size=⟦number⟧"),
        "phone": ("sms sent to ⟦phone+⟧", "verify phone=⟦phone+⟧ code sent"),
        "ssn": ("validation failed: ssn=⟦ssn⟧",),
        "national_id": ("lookup pesel=⟦id.pl⟧", "kyc cpf=⟦id.br⟧ ok", "customer national_id=⟦id.kr⟧ matched"),
        "card": ("charge declined card=⟦card⟧", "payment ⟦card⟧ failed"),
        "iban": ("payout iban=⟦iban⟧ pending",),
        "ip": ("connection from ⟦ip4⟧:⟦number⟧", "⟦ip⟧ - - \"GET / HTTP/1.1\" 200 ⟦number⟧", "peer [⟦ip6⟧]:443 closed"),
        "secret": ("auth failed password=⟦password⟧", "using key ⟦token⟧", "connecting to ⟦dsn⟧", "header Authorization: Bearer ⟦bearer⟧", "env ⟦NAME=⟧", "session token=⟦opaque⟧ opened"),
        "plain": (
            "request_id=⟦uuid⟧ status=200 took=⟦number⟧ms", "trace=⟦traceid⟧ span=⟦spanid⟧", "usage ⟦tokens⟧", "starting ⟦version⟧", "model=⟦model⟧ id=⟦response⟧",
            "password reset mail sent for order ⟦order⟧", "token expired, refreshing", "metrics ⟦table⟧", "ts=⟦unix⟧ ok", "bad check digit in ⟦baddigits⟧", "deploy ⟦sha7⟧ by ⟦handle⟧",
        ),
    },
    "headers": {
        "email": ("From: Anna <⟦email⟧>", "Reply-To: ⟦email⟧"),
        "ip": ("X-Forwarded-For: ⟦ip⟧", "X-Real-IP: ⟦ip⟧", "Host: ⟦ip4⟧:8080"),
        "secret": ("Authorization: Bearer ⟦bearer⟧", "Authorization: Basic ⟦basic⟧", "X-Api-Key: ⟦token⟧", "Cookie: sessionid=⟦opaque⟧; theme=dark", "api-key: ⟦hex32⟧", "x-api-key: ⟦byname⟧"),
        "plain": (
            "Content-Type: application/json", "X-Request-Id: ⟦uuid⟧", "traceparent: 00-⟦traceid⟧-⟦spanid⟧-01", 'ETag: "⟦traceid⟧"', "User-Agent: Mozilla/5.0 Chrome/126.0.6478.127",
            "Content-Length: ⟦number⟧", "Authorization: Bearer ⟦placeholder⟧", "x-ratelimit-remaining-tokens: ⟦number⟧", "anthropic-version: 2023-06-01", "Accept-Language: de,en;q=0.8",
        ),
    },
    "shell": {
        "email": ("git config user.email ⟦email⟧", "echo hi | mail -s test ⟦email⟧"),
        "phone": ('sendsms --to "⟦phone+⟧" hello',),
        "card": ("stripe tokens create --card ⟦card⟧",),
        "iban": ("./pay --iban '⟦iban⟧' --amount 20",),
        "ip": ("ssh deploy@⟦ip4⟧", "ping -c 1 ⟦ip⟧", "curl http://⟦ip4⟧:9200/_cat/indices"),
        "secret": (
            "export ⟦NAME=\"⟧", "⟦NAME=⟧", "curl -H 'Authorization: Bearer ⟦bearer⟧' https://api.acme.com/v1", "curl -u admin:⟦password⟧ https://nexus.corp.local/",
            "mysql -h db -u root --password=⟦password⟧ shop", "psql ⟦dsn⟧", "docker login -u ci -p ⟦password⟧ registry.corp.local", "deploy --token ⟦token⟧ --region eu",
            "aws configure set aws_secret_access_key ⟦awssecret⟧", "git clone https://oauth2:⟦urlpassword⟧@gitlab.corp.local/x.git",
        ),
        "plain": (
            "git checkout ⟦sha⟧", "pip install requests==2.32.3", "docker run -p 8080:80 nginx:1.27.3", "npm i ⟦package⟧", "mkdir -p build/out", "export OPENAI_API_KEY=⟦placeholder⟧",
            "read -s PASSWORD", "ssh-keygen -t ed25519 -f id", "grep -rn token src/", "git clone git@github.com:acme/app.git", "kubectl get secret app -o name", "passwd deploy",
            "curl -H \"Authorization: Bearer $TOKEN\" https://api.acme.com", "chmod 600 ~/.ssh/id_rsa", "date -d @⟦unix⟧",
        ),
    },
    "markdown": {
        "email": ("- **Email:** ⟦email⟧", "[write us](mailto:⟦email⟧)"),
        "phone": ("- **Phone:** ⟦phone⟧",),
        "ssn": ("| SSN | ⟦ssn⟧ |",),
        "national_id": ("| Codice fiscale | ⟦id.it⟧ |", "| PESEL | ⟦id.pl⟧ |", "- **CPF:** ⟦id.br⟧"),
        "card": ("| Card | `⟦card⟧` |",),
        "iban": ("- IBAN: **⟦iban⟧**",),
        "ip": ("- Host: `⟦ip⟧`",),
        "secret": ("- API key: `⟦token⟧`", "```bash\nexport ⟦NAME=⟧\n```", "| password | ⟦password⟧ |", "```\n⟦pem⟧\n```"),
        "plain": (
            "- Released in ⟦version⟧ on ⟦iso⟧", "| tokens | ⟦number⟧ |", "`⟦sha7⟧` fixes the password form", "* ⟦table⟧", "> The secret to success is patience.",
            "| price | ⟦price⟧ |", "```css\na { color: ⟦colour⟧ }\n```", "1. Put your key where it says `⟦placeholder⟧`", "![logo](⟦image⟧)", "- thanks ⟦handle⟧",
        ),
    },
}  # fmt: skip

SEEN = Carriers(MAKERS, PROSE, FIELDS, LINES, STYLE)
