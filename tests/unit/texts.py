"""Texts that the rules take something out of, that only look like it, and that cost them most."""

PHONES = [
    ("call +1 (415) 555-0132 now", "call [PHONE_REDACTED] now"),
    ("+14155550132", "[PHONE_REDACTED]"),
    ("Tel. +44 20 7946 0958.", "Tel. [PHONE_REDACTED]."),
    ("+44 (0)20 7946 0958", "[PHONE_REDACTED]"),
    ("+49 (0) 30 / 901820", "[PHONE_REDACTED]"),
    ("+49 151 23456789, or mail", "[PHONE_REDACTED], or mail"),
    ("+33 6 12 34 56 78", "[PHONE_REDACTED]"),
    ("(+91) 98765 43210", "[PHONE_REDACTED]"),
    ("+91-98765-43210", "[PHONE_REDACTED]"),
    ("+86 138 1234 5678", "[PHONE_REDACTED]"),
    ("+55 11 91234-5678", "[PHONE_REDACTED]"),
    ("0044 20 7946 0958", "[PHONE_REDACTED]"),
    ("(415) 555-0132", "[PHONE_REDACTED]"),
    ("(415)555-0132", "[PHONE_REDACTED]"),
    ("415-555-0132", "[PHONE_REDACTED]"),
    ("415.555.0132", "[PHONE_REDACTED]"),
    ("reach 415 555 0132 today", "reach [PHONE_REDACTED] today"),
    ("1-800-555-0199 ext. 42", "[PHONE_REDACTED]"),
    ("415-555-0132 x12", "[PHONE_REDACTED]"),
    ("020 7946 0958", "[PHONE_REDACTED]"),
    ("07700 900123", "[PHONE_REDACTED]"),
    ("(0161) 496 0000", "[PHONE_REDACTED]"),
    ("030/901820 12", "[PHONE_REDACTED]"),
    ("01 23 45 67 89", "[PHONE_REDACTED]"),
    ("(02) 9374 4000", "[PHONE_REDACTED]"),
    ("0412 345 678", "[PHONE_REDACTED]"),
    ("(11) 91234-5678", "[PHONE_REDACTED]"),
    ("138 1234 5678", "[PHONE_REDACTED]"),
    ("phone: 4155550132", "phone: [PHONE_REDACTED]"),
    ("my mobile is 612 345 678", "my mobile is [PHONE_REDACTED]"),
    ("call me at 555-0132", "call me at [PHONE_REDACTED]"),
    ("WhatsApp 98765 43210", "WhatsApp [PHONE_REDACTED]"),
    ("电话13812345678", "电话[PHONE_REDACTED]"),
    ("tel:+14155550132", "tel:[PHONE_REDACTED]"),
    ("first\\n415-555-0132\\nlast", "first\\n[PHONE_REDACTED]\\nlast"),
    ("555-123-4567 or (555) 123-4567", "[PHONE_REDACTED] or [PHONE_REDACTED]"),
    ("Jane,415-555-0132,7", "Jane,[PHONE_REDACTED],7"),
    ('{"note": "Jane\\nphone: 4155550132\\n" ...', '{"note": "Jane\\nphone: [PHONE_REDACTED]\\n" ...'),
    ("reach her on 07700900123", "reach her on [PHONE_REDACTED]"),
    ("826-801-8159x08301", "[PHONE_REDACTED]"),
    ("+1-297-546-5075x2917", "[PHONE_REDACTED]"),
    ("call me at 8887.7963", "call me at [PHONE_REDACTED]"),
    ("415-555-0132, 415-555-0133", "[PHONE_REDACTED], [PHONE_REDACTED]"),
    ('{"phone_number": "4155550132"', '{"phone_number": "[PHONE_REDACTED]"'),
]  # fmt: skip

NO_PHONES = [
    "order 4155550132", "order number 415-555-0132", "created 1716239022", "ts=1716239022123",
    "2024-07-18 12:30:45", "18.07.2024 12", "call me on 2024-07-18 at 10:30", "20240718-123456",
    "ISBN 978-3-16-148410-0", "ISBN 0-306-40615-2", "12345678", "0.1234567890", "1,234,567,890 people",
    "version 415.555.0132", "SKU 123-456-7890", "3f2b8a10-1c1e-4d52-9d5b-0c8f6a5a9e11",
    "call_4155550132", "+1234", "UTC+01:00", "2+4155550132", "115-555-0132", "pages 123-4567",
    "room 101 202 303", "tool call 4155550132", "gpt-4o-2024-08-06", "a 10-20-30 split", "1.234.567,89",
    "08484-3202 NY", "iPhone OS 4_1 Safari/6531.39.5", "8887.7963",
    "0123456789", "00000000000000", "ratio 16/9 at 1920/1080", "coordinates 52.520008, 13.404954",
]  # fmt: skip

IDS = [
    ("national insurance number ZZ 49 66 85 T", True), ("AB123456C", True), ("AB 12 34 56 C", True), ("my nino is ab123456c", True),
    ("1 85 05 78 006 084 91", True), ("185057800608491", True), ("2 69 05 2A 588 157 80", False),
    ("36 574 261 809", True), ("Steuer-ID 36574261809", True),
    ("12345678Z", True), ("12345678-Z", True), ("12.345.678-Z", True), ("X1234567L", True), ("X-1234567-L", True),
    ("RSSMRA85T10A562S", True), ("rssmra85t10a562s", True),
    ("2341 2341 2346", True), ("Aadhaar: 234123412346", True),
    ("ABCPE1234F", True), ("PAN abcpe1234f", True),
    ("111.444.777-35", True), ("CPF 11144477735", True), ("11.444.777/0001-61", True), ("CNPJ: 11444777000161", True),
    ("11010519491231002X", True), ("440524188001010014", False),
    ("TFN 123 456 782", True), ("tax file number: 123456782", True),
    ("SIN 046 454 286", True), ("046-454-286", True), ("social insurance number 046454286", True),
    ("BSN 111222333", True), ("PESEL 44051401359", True), ("756.9217.0769.85", True), ("S1234567D", True),
    ("personnummer 850709-9805", True), ("BOXW310820HNERXN09", True),
]  # fmt: skip

NO_IDS = [
    "AB123456E", "BG123456C", "QQ123456C", "order AB123456C", "part no. AB123456C", "ab123456c",
    "1 85 05 78 006 084 92", "185057800608492", "36 574 261 808", "36574261809",
    "12345678A", "X1234567A", "RSSMRA85T10A562T", "2341 2341 2347", "234123412346", "1234 5678 9012 3456",
    "ABCXE1234F", "111.444.777-36", "11144477735", "11.444.777/0001-62", "110105194912310021",
    "123 456 782", "123456782", "TFN 123 456 783", "046 454 286", "046-454-287", "44051401359",
    "756.9217.0769.84", "S1234567A", "850709-9805", "BOXW310820HNERXN08",
    "0af7651916cd43dd8448eb211c80319c", "task_123456789", "1716239022", "20240718",
]  # fmt: skip

SSNS = [
    ("SSN 123-45-6789", "SSN [SSN_REDACTED]"), ("078-05-1120.", "[SSN_REDACTED]."),
    ("123 45 6789", "[SSN_REDACTED]"), ("my social security number is 123456789", "my social security number is [SSN_REDACTED]"),
    ("ITIN 912-70-1234", "ITIN [SSN_REDACTED]"), ("123\u201145\u20116789", "[SSN_REDACTED]"),
    ("7,123-45-6789,078-05-1120", "7,[SSN_REDACTED],[SSN_REDACTED]"),
    ("ssn=123.45.6789", "ssn=[SSN_REDACTED]"), ("(123-45-6789)", "([SSN_REDACTED])"),
]  # fmt: skip

NO_SSNS = [
    "000-12-3456", "666-12-3456", "123-00-4567", "123-45-0000", "912-10-1234", "123-45-67890", "1123-45-6789",
    "order 123-45-6789", "123456789", "id 123456789", "123-456-789", "2024-07-18", "123-45-6789-1", "A123-45-6789",
    "xxx-xx-6789",
]  # fmt: skip

IBANS = [
    ("DE89 3704 0044 0532 0130 00", "[IBAN_REDACTED]"), ("DE89370400440532013000", "[IBAN_REDACTED]"),
    ("to GB29 NWBK 6016 1331 9268 19 today", "to [IBAN_REDACTED] today"), ("GB29NWBK60161331926819", "[IBAN_REDACTED]"),
    ("FR14 2004 1010 0505 0001 3M02 606.", "[IBAN_REDACTED]."), ("NL91ABNA0417164300", "[IBAN_REDACTED]"),
    ("MT84MALT011000012345MTLCAST001S", "[IBAN_REDACTED]"), ("de89370400440532013000", "[IBAN_REDACTED]"),
    ("IBAN:NO9386011117947", "IBAN:[IBAN_REDACTED]"), ("iban=BE68 5390 0754 7034&x", "iban=[IBAN_REDACTED]&x"),
]  # fmt: skip

NO_IBANS = [
    "DE89 3704 0044 0532 0130 01", "DE00370400440532013000", "XX89370400440532013000", "GB29NWBK6016133192681",
    "ADE89370400440532013000", "AB12 3456 7890", "SHA1 DE89370400440532013000A",
]  # fmt: skip

IPS = [
    ("from 203.0.113.7 at noon", "from [IP_REDACTED] at noon"), ("203.0.113.7:8080", "[IP_REDACTED]:8080"),
    ("http://192.168.1.20/x", "http://[IP_REDACTED]/x"), ("10.20.30.0/24", "[IP_REDACTED]/24"),
    ("client 8.8.8.8", "client [IP_REDACTED]"), ("ip=1.2.3.4", "ip=[IP_REDACTED]"), ("203.0.113.7.", "[IP_REDACTED]."),
    ("2001:db8::8a2e:370:7334", "[IP_REDACTED]"), ("[2001:db8::1]:443", "[[IP_REDACTED]]:443"),
    ("2001:0db8:85a3:0000:0000:8a2e:0370:7334", "[IP_REDACTED]"), ("fe80::1%eth0", "[IP_REDACTED]%eth0"),
    ("::ffff:203.0.113.7", "[IP_REDACTED]"), ("a1b2:c3d4:e5f6:1789:9abc:def0:1234:5678", "[IP_REDACTED]"),
    ("192.168.0.1-192.168.0.99", "[IP_REDACTED]-[IP_REDACTED]"),
    ('{"ip":"203.0.113.7"', '{"ip":"[IP_REDACTED]"'), ("203.0.113.7, 203.0.113.8", "[IP_REDACTED], [IP_REDACTED]"),
]  # fmt: skip

NO_IPS = [
    "version 10.2.3.4", "v10.2.3.4", "Version: 10.2.3.4", "release 10.20.30.40", "1.2.3.4", "libfoo-10.2.3.4", "pip install x==10.2.3.4",
    "Chrome/120.0.0.0 Safari/537.36", "section 4.2.10.1", "10.2.3.4.5", "300.1.2.3", "10.2.3", "127.0.0.1:8000",
    "0.0.0.0", "255.255.255.0", "::1", "12:30:45", "00:1b:44:11:3a:b7", "std::vector", "a::b", "Foo::Bar::baz",
    "10.2.3.4-rc1", ">=10.2.3.4", "1.3.6.1.4.1.311", "face::bead", "key: value: 3", "10::30",
    "upgraded from 10.2.3.4", "urn:oid:1.3.6.1",
]  # fmt: skip

CARDS = [
    ("order 4111 1111 1111 1111", "order [CC_REDACTED]"), ("4111111111111111", "[CC_REDACTED]"),
    ("7,4111111111111111,4111 1111 1111 1111,8", "7,[CC_REDACTED],[CC_REDACTED],8"),
    ("card 213187040595025", "card [CC_REDACTED]"), ("Maestro: 676396926948", "Maestro: [CC_REDACTED]"),
    ('{"creditCard": "4222222222222"', '{"creditCard": "[CC_REDACTED]"'),
]  # fmt: skip
NO_CARDS = [
    "order 4700172873047031", "ean 4283974097436", "4222222222222", "676396926948", "4111 1111 1111 1112",
    "card 4111111111111112", "0000 0000 0000 0000", "1716239022123456", "4111111111111111a",
]  # fmt: skip

EMAILS = [
    ("to=jane%40example.org&x", "to=[EMAIL_REDACTED]&x"), ("\"Jane\" <j.d@x.co>", "\"Jane\" <[EMAIL_REDACTED]>"),
    ("mailto:jane@example.org?subject=x", "mailto:[EMAIL_REDACTED]?subject=x"),
]  # fmt: skip
NO_EMAILS = [
    "git@github.com:owner/repo.git",
    "@decorator",
    "a @ b.example",
    "x@2x.png",
    "100%40",
    "user@localhost",
]

SECRETS = [
    ("mongodb://app:p@ss@db.example.com/x", "mongodb://app:[SECRET_REDACTED]@db.example.com/x"),
    ("redis://:hunter22@cache:6379/0", "redis://:[SECRET_REDACTED]@cache:6379/0"),
    ("https://0a1b2c3d4e5f60718293a4b5c6d7e8f9@example.com/1", "https://[SECRET_REDACTED]@example.com/1"),
    ("my password is hunter2!", "my password is [SECRET_REDACTED]!"),
    ("curl -u admin:hunter2 https://x.org", "curl -u admin:[SECRET_REDACTED] https://x.org"),
    ("the API key is 'zz-top'", "the API key is '[SECRET_REDACTED]'"),
    ("Passwort: geheim123", "Passwort: [SECRET_REDACTED]"),
    ("post to https://hooks.slack.com/services/T00000000/B00000000/abcdefghijkl", "post to https://hooks.slack.com/[SECRET_REDACTED]"),
    ("MTIzNDU2Nzg5MDEyMzQ1Njc4.Gabcde." + "a1B2" * 8, "[SECRET_REDACTED]"),
    ("1234567890:AAabcdefghijklmnopqrstuvwxyz0123456", "[SECRET_REDACTED]"),
    ("PuTTY-User-Key-File-3: ssh-rsa\nPrivate-Lines: 1\nAAAA\nPrivate-MAC: " + "a" * 64 + "\nx", "[SECRET_REDACTED]\nx"),
    ("key: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpNSUlFcEFJQkFBS0NBUUVB", "key: [SECRET_REDACTED]"),
    ('{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75" ...', '{"kty":"oct","k":"[SECRET_REDACTED]" ...'),
    ("abc8Q~" + "a" * 34, "[SECRET_REDACTED]"),
    ("key-" + "0a1b2c3d" * 4, "[SECRET_REDACTED]"),
    ("hvs.CAESIA1b2C3d4E5f6G7h8", "[SECRET_REDACTED]"),
    ("-----BEGIN PGP PRIVATE KEY BLOCK-----\nx\n-----END PGP PRIVATE KEY BLOCK-----", "[SECRET_REDACTED]"),
]  # fmt: skip
NO_SECRETS = [
    "the password is required", "the password is too short", "the key is base64-encoded", "the token is invalid.",
    "-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----\nMIID\n-----END PUBLIC KEY-----", "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUQ" + "A" * 40,
    "fc-barcelona-and-friends-for-ever-1899", "the code is in src/app.py", "pat-na1-is-a-prefix",
]  # fmt: skip

WORST = {
    "card": "4111 ", "iban": "DE89 3704 ", "ssn": "123 45 ", "national_id": "012 ", "lettered_id": "AB123456",
    "phone": "(1)", "email": "a@", "quoted_email": "%40a.", "ipv4": "1.1.1.1 ", "ipv6": "a::", "url": "://a:b@",
    "url_token": "://a1", "assigned": "password=", "option": " --api-key=", "told": "password is a1 ",
    "jwt": "eyJaaaaaaaaaaa.", "private_key": "-----BEGIN PRIVATE KEY-----", "putty_key": "PuTTY-User-Key-File-2: ",
    "encoded_private_key": "LS0tLS1CRUdJTiBS", "openai": "sk-", "bearer": "Bearer ", "basic": "Basic ",
    "webhook": "hooks.slack.com/services/", "jwk": '"d":"aaaaaaaaaaaaaaaa', "google_oauth": "1//0",
    "discord": "MMMMMMMM.", "telegram": "12345678:AA", "azure_client": "aaa1Q~", "atlassian": "ATATT3",
}  # fmt: skip
"""For each detector the text that costs it most."""

MIXED = "A1b2C3d4E5f6G7h8J9k0" * 5
HEX = "0a1b2c3d4e5f60718293" * 5

VENDORS = {
    "groq": ("gsk_", MIXED, 20), "xai": ("xai-", MIXED, 20), "perplexity": ("pplx-", MIXED, 20),
    "replicate": ("r8_", MIXED, 20), "nvidia": ("nvapi-", MIXED, 20), "cerebras": ("csk-", MIXED, 20),
    "together": ("tgp_v1_", MIXED, 20), "fireworks": ("fw_", MIXED, 20), "anyscale": ("esecret_", MIXED, 16),
    "elevenlabs": ("sk_", HEX, 32), "huggingface": ("hf_ api_org_", MIXED, 30), "jina": ("jina_", MIXED, 32),
    "voyage": ("pa-", MIXED, 40), "llama_cloud": ("llx-", MIXED, 20), "tavily": ("tvly-", MIXED, 16),
    "firecrawl": ("fc-", HEX, 32), "e2b": ("e2b_", HEX, 32), "langsmith": ("lsv2_pt_ lsv2_sk_", MIXED, 20),
    "wandb": ("wandb_v1_", MIXED, 20), "pinecone": ("pcsk_", MIXED, 20), "google": ("AIza", MIXED, 30),
    "google_oauth": ("ya29. 1//0", MIXED, 16), "alibaba": ("LTAI", MIXED, 16), "tencent": ("AKID", MIXED, 32),
    "yandex": ("AQVN y0_", MIXED, 32), "databricks": ("dapi", HEX, 32), "digitalocean": ("dop_v1_ dor_v1_", HEX, 32),
    "heroku": ("HRKU-", MIXED, 36), "netlify": ("nfp_", MIXED, 30), "flyio": ("fo1_ fm2_", MIXED, 40),
    "supabase": ("sbp_ sb_secret_", MIXED, 20), "planetscale": ("pscale_tkn_ pscale_oauth_", MIXED, 30),
    "pulumi": ("pul-", HEX, 40), "doppler": ("dp.pt. dp.audit.", MIXED, 32), "vault": ("hvs. hvr.", MIXED, 20),
    "onepassword": ("ops_eyJ", MIXED, 40), "github": ("ghp_ ghr_", MIXED, 20),
    "github_pat": ("github_pat_", MIXED, 20), "gitlab": ("glpat- gloas-", MIXED, 16),
    "bitbucket": ("ATBB", MIXED, 28), "atlassian": ("ATATT3 ATSTT3", MIXED, 20), "npm": ("npm_", MIXED, 30),
    "pypi": ("pypi-", MIXED, 32), "rubygems": ("rubygems_", HEX, 40), "clojars": ("CLOJARS_", MIXED, 40),
    "crates": ("cio", MIXED, 32), "docker": ("dckr_pat_ dckr_oat_", MIXED, 20), "circleci": ("CCIPAT_", MIXED, 20),
    "buildkite": ("bkua_", HEX, 40), "sonar": ("squ_ sqa_", HEX, 40), "prefect": ("pnu_ pnb_", MIXED, 30),
    "infracost": ("ico-", MIXED, 32), "postman": ("PMAK-", HEX, 40), "readme": ("rdme_", HEX, 60),
    "grafana": ("glsa_ glc_", MIXED, 20), "sentry": ("sntrys_ sntryu_", MIXED, 40),
    "newrelic": ("NRAK- NRJS-", MIXED, 19), "dynatrace": ("dt0c01. dt0s01.", MIXED, 24),
    "stripe": ("sk_live_ whsec_", MIXED, 16), "square": ("sq0atp- sq0idp-", MIXED, 20),
    "plaid": ("access-sandbox- access-development-", HEX, 36), "shopify": ("shpat_ shpss_", HEX, 32),
    "shippo": ("shippo_live_ shippo_test_", HEX, 40), "easypost": ("EZAK EZTK", MIXED, 54),
    "brevo": ("xkeysib- xsmtpsib-", MIXED, 64), "linear": ("lin_api_ lin_oauth_", MIXED, 20),
    "notion": ("ntn_", MIXED, 40), "figma": ("figd_ figu_", MIXED, 30), "contentful": ("CFPAT-", MIXED, 40),
    "typeform": ("tfp_", MIXED, 40), "hubspot": ("pat-na1- pat-na2-", HEX, 36), "dropbox": ("sl.u. sl.B", MIXED, 60),
    "facebook": ("EAAC EAAB", MIXED, 60),
}  # fmt: skip
"""Of rules whose keys begin with one of some prefixes: two of those (or the one), and what follows, cut to a length."""

JWT = "eyJhbGciOiJIUzI1NiJ9"
PRIVATE = "-----BEGIN {} KEY-----\nMIIE\n-----END {} KEY-----"

EXAMPLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "openai": ((f"sk-{MIXED[:40]}", f"sk-proj-{MIXED[:20]}_x"), ("task-force-planning-document-2024", "sk-short1")),
    "aws": (("AKIAIOSFODNN7EXAMPLE", "x=ASIAIOSFODNN7EXAMPLE"), ("AKIAIOSFODNN7", "XAKIAIOSFODNN7EXAMPLE")),
    "aws_bedrock": ((f"ABSK{MIXED[:80]}", f"bedrock-api-key-{MIXED[:80]}="), ("bedrock-api-key-rotation", "ABSKA1b2")),
    "azure_client": ((f"abc8Q~{'a' * 34}", f"x: Zz.1Q~{MIXED[:31]}"), ("abcQ~" + "a" * 34, "abc8Q~short")),
    "slack": (("xoxb-123456789012-1234567890123-abcdef", f"xoxe.xoxp-1-{MIXED[:30]}"), ("xoxo-with-love-from-paris", "xoxb-1")),
    "slack_app": ((f"xapp-1-{MIXED[:20]}", f"t=xapp-2-A-{MIXED[:20]}"), ("xapp-one-A1b2C3d4E5f6", "xapp-1-A1b2")),
    "discord": (
        (f"MTIzNDU2Nzg5MDEyMzQ1Njc4.Gabcde.{'a1B2' * 8}", f"N{MIXED[:24]}.abcdef.{MIXED[:30]}"),
        (f"A{MIXED[:24]}.abcdef.{MIXED[:30]}", "package.module.attribute_of_something_long_here"),
    ),
    "telegram": (
        ("1234567890:AAabcdefghijklmnopqrstuvwxyz0123456", f"bot12345678:AA{MIXED[:33]}".replace("bot", "bot ")),
        (f"12345:AA{MIXED[:33]}", "12345678:AAshort"),
    ),
    "sendgrid": ((f"SG.{MIXED[:22]}.{MIXED[:43]}", f"k=SG.{MIXED[:16]}.{MIXED[:16]}"), ("SG.short.A1b2", f"MSG.{MIXED[:22]}.{MIXED[:43]}")),
    "mailgun": ((f"key-{HEX[:32]}", f"api:key-{HEX[:32]}"), (f"monkey-{HEX[:32]}", "key-0a1b2c3d")),
    "mailchimp": ((f"{HEX[:32]}-us1", f"k={HEX[:32]}-us21"), (f"{HEX[:32]}-eu1", f"{HEX[:31]}-us1")),
    "airtable": ((f"pat{MIXED[:14]}.{HEX[:64]}", f"t pat{MIXED[:14]}.{HEX[:64]}"), ("patA1b2.0a1b2c3d", f"pattern.{HEX[:64]}")),
    "twilio": ((f"SK{HEX[:32]}", f"sid=SK{HEX[:32]}"), (f"SK{HEX[:31]}", f"TASK{HEX[:32]}")),
    "terraform": ((f"{MIXED[:14]}.atlasv1.{MIXED[:64]}", f"t={MIXED[:14]}.atlasv1.{MIXED[:60]}"), ("x.atlasv1.y", f"{MIXED[:14]}.atlasv2.{MIXED[:64]}")),
    "openshift": ((f"sha256~{MIXED[:43]}", f"t=sha256~{MIXED[:43]}"), (f"sha256:{HEX[:64]}", "sha256~short")),
    "age": ((f"AGE-SECRET-KEY-1{'A1B2' * 15}", f"x AGE-SECRET-KEY-1{'Q9Z8' * 15}"), ("AGE-SECRET-KEY-1A1B2", f"age1{'q9z8' * 15}")),
    "jwt": ((f"{JWT}.{JWT}.{MIXED[:22]}", f"t={JWT}.{MIXED[:30]}"), (JWT, f"{JWT}, {JWT}")),
    "private_key": (
        (PRIVATE.format("RSA PRIVATE", "RSA PRIVATE"), PRIVATE.format("PRIVATE", "PRIVATE")),
        (PRIVATE.format("PUBLIC", "PUBLIC"), "-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----"),
    ),
    "putty_key": (
        (SECRETS[10][0], "x\nPuTTY-User-Key-File-2: ssh-dss\nPrivate-Lines: 1\nAAAA"),
        ("PuTTY-User-Key-Files are kept", "PuTTY-User-Key-File-X: ssh-rsa"),
    ),
    "encoded_private_key": (
        (SECRETS[11][0], "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1JSUV2Z0lCQURBTkJna3Foa2lHOXcw"),
        ("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUQ" + "A" * 40, "LS0tLS1CRUdJTiBQ"),
    ),
    "bearer": ((f"Bearer {MIXED[:30]}", "bearer\tabc.def~ghi.jkl.mno"), ("Bearer of bad news", "bearer token")),
    "basic": (("Basic dTpwYXNz", "basic  dXNlcjpwYXNzd29yZA=="), ("Basic understanding required", "Basic dGhpcyBpcyBub25l")),
    "jwk": (
        ('{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qz" ...', '{"d": "A1b2C3d4E5f6G7h8J9k0", "kty": "EC"} x'),
        ('{"k":"AyM1SysPpbyDfgZld3umj1qz" ...', '{"kty":"EC","x":"AyM1SysPpbyDfgZld3umj1qz" ...'),
    ),
    "webhook": (
        (SECRETS[7][0], f"https://discord.com/api/webhooks/123456789012345678/{MIXED[:68]}"),
        ("https://hooks.slack.com/", "https://example.org/webhooks/orders"),
    ),
    "url": ((SECRETS[0][0], SECRETS[1][0]), ("https://example.org:8080/a@b", "https://jane@example.org")),
    "url_token": ((SECRETS[2][0], f"https://{MIXED[:30]}:@example.org"), ("https://jane.doe@example.org", "https://documentation-of-things@example.org")),
    "assigned": (("api_key=abc123", '{"db_password" : "hunter2" ...'), ("max_tokens=100", "token: a unit of text")),
    "option": (("--api-key=abc", "curl -u admin:hunter2 https://x.org"), ("--token-limit 5", "--password")),
    "told": ((SECRETS[3][0], SECRETS[5][0]), ("the password is required", "the key is base64-encoded")),
    "email": (("jane.doe+x@mail.example.co.uk", "<jürgen@müller.de>"), ("git@github.com:owner/repo.git", "logo@2x.png")),
    "quoted_email": (("to=jane%40example.org&x", "?q=a.b%40x.co"), ("100%40", "%40decorator")),
    "ipv4": ((IPS[0][0], IPS[1][0]), ("version 10.2.3.4", "300.1.2.3")),
    "ipv6": ((IPS[7][0], IPS[8][0]), ("std::vector", "12:30:45")),
    "card": ((CARDS[0][0], CARDS[1][0]), ("4111 1111 1111 1112", "1716239022123456")),
    "iban": ((IBANS[0][0], IBANS[1][0]), ("DE89 3704 0044 0532 0130 01", "AB12 3456 7890")),
    "ssn": ((SSNS[0][0], SSNS[2][0]), ("666-12-3456", "order 123-45-6789")),
    "national_id": (("2341 2341 2346", "111.444.777-35"), ("2341 2341 2347", "111.444.777-36")),
    "lettered_id": (("AB123456C", "RSSMRA85T1LA562V"), ("QQ123456C", "RSSMRA85T10A562T")),
    "phone": (("+14155550132", "phone: 4155550132"), ("order 4155550132", "ISBN 978-3-16-148410-0")),
    **{
        name: (
            tuple(f"{around}{prefix}{body[:size]}" for prefix in prefixes.split() for around in ("key ", '"k":"')),
            (f"{prefixes.split()[0]}{body[:8]} ", f"x{prefixes.split()[-1]}{body[:size]}"),
        )
        for name, (prefixes, body, size) in VENDORS.items()
    },
}  # fmt: skip
"""For each rule what it finds, and what it does not though it looks like it."""

ALL = [
    *(text for text, _ in [*PHONES, *CARDS, *SSNS, *IBANS, *IPS, *EMAILS, *SECRETS, *IDS]),
    *(text for found, near in EXAMPLES.values() for text in (*found, *near)),
    *NO_PHONES, *NO_CARDS, *NO_IDS, *NO_SSNS, *NO_IBANS, *NO_IPS, *NO_EMAILS, *NO_SECRETS,
]  # fmt: skip
