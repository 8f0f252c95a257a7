"""Secrets with a shape of their own: what their vendors print in front of a key, and how long keys are."""

import re
from base64 import b64decode
from typing import Final

from spanloom.processors.rules.later import later
from spanloom.processors.rules.screen import Rule, Spot, whole

_APART: Final = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f][0-9A-Fa-f]))"
"""Not in the middle of a word such as ``task-...``; but after ``\\n`` of JSON or ``%3D`` of a URL."""

_JWT_REST = later(r"(?:\.[A-Za-z0-9_-]{4,8192}+)(?:\.[A-Za-z0-9_-]{0,4096}+){0,3}")


def _with_digit(match: re.Match[str]) -> tuple[int, int] | None:
    return match.span() if any(c.isdigit() for c in match[0]) else None


def _jwt(match: re.Match[str]) -> tuple[int, int] | None:
    rest = _JWT_REST.match(match.string, match.end())
    return (match.start(), rest.end()) if rest else None


def _pem(match: re.Match[str]) -> tuple[int, int] | None:
    text, start = match.string, match.end()
    limit = min(len(text), start + 16384)
    end = text.find("-----END ", start, limit)
    if end < 0:
        return match.start(), limit  # cut, or hidden in something else: better too much
    close = text.find("-----", end + 9, end + 80)
    return match.start(), close + 5 if close >= 0 else end + 9


def _putty(match: re.Match[str]) -> tuple[int, int] | None:
    text, start = match.string, match.end()
    limit = min(len(text), start + 16384)
    end = text.find("Private-MAC: ", start, limit)
    return match.start(), limit if end < 0 else min(limit, end + 13 + 64)


def _encoded_pem(match: re.Match[str]) -> tuple[int, int] | None:
    try:
        head = b64decode(match[0][:80])
    except ValueError:
        return None
    return match.span() if b"PRIVATE KEY" in head or b"SECRET KEY" in head else None


def _basic(match: re.Match[str]) -> tuple[int, int] | None:
    try:
        decoded = b64decode(match[1] + "=" * (-len(match[1]) % 4))
    except ValueError:
        return None
    return match.span(1) if b":" in decoded else None


def _shape(name: str, hints: tuple[str, ...], pattern: str, spot: Spot = whole) -> Rule:
    return Rule(name=name, kind="secret", hints=hints, pattern=later(pattern), spot=spot)


def _prefixed(name: str, prefixes: str, length: str, chars: str = "A-Za-z0-9") -> Rule:
    """Keys that are one of ``prefixes`` and then ``length`` of ``chars``."""
    hints = tuple(prefixes.split())
    either = "|".join(map(re.escape, hints))
    return _shape(name, hints, rf"{_APART}(?:{either})[{chars}]{{{length}}}")


_WORD: Final = "A-Za-z0-9_-"
_HEX: Final = "0-9A-Fa-f"

PREFIXED: Final = (
    # models and what surrounds them
    _prefixed("groq", "gsk_", "20,128"),
    _prefixed("xai", "xai-", "20,160"),
    _prefixed("perplexity", "pplx-", "20,160"),
    _prefixed("replicate", "r8_", "20,80"),
    _prefixed("nvidia", "nvapi-", "20,160", _WORD),
    _prefixed("cerebras", "csk-", "20,160"),
    _prefixed("together", "tgp_v1_", "20,160", _WORD),
    _prefixed("fireworks", "fw_", "20,64"),
    _prefixed("anyscale", "esecret_", "16,64"),
    _prefixed("elevenlabs", "sk_", "32,64", _HEX),
    _prefixed("huggingface", "hf_ api_org_", "30,64"),
    _prefixed("jina", "jina_", "32,128", _WORD),
    _prefixed("voyage", "pa-", "40,64", _WORD),
    _prefixed("llama_cloud", "llx-", "20,80"),
    _prefixed("tavily", "tvly-", "16,160", _WORD),
    _prefixed("firecrawl", "fc-", "32,64", _HEX),
    _prefixed("e2b", "e2b_", "32,64", _HEX),
    _prefixed("langsmith", "lsv2_pt_ lsv2_sk_", "20,160", "A-Za-z0-9_"),
    _prefixed("wandb", "wandb_v1_", "20,160", _WORD),
    _prefixed("pinecone", "pcsk_", "20,160", "A-Za-z0-9_"),
    # clouds and their data
    _prefixed("google", "AIza", "30,60", _WORD),
    _prefixed("google_oauth", "ya29. GOCSPX- 1//0", "16,2048", _WORD),
    _prefixed("alibaba", "LTAI", "16,24"),
    _prefixed("tencent", "AKID", "32,40"),
    _prefixed("yandex", "AQVN t1.9eu y0_", "32,300", "A-Za-z0-9_.-"),
    _prefixed("digitalocean", "dop_v1_ doo_v1_ dor_v1_", "32,128", "0-9a-f"),
    _prefixed("heroku", "HRKU-", "36,80", _WORD),
    _prefixed("netlify", "nfp_", "30,64"),
    _prefixed("flyio", "fo1_ fm1r_ fm2_", "40,1024", "A-Za-z0-9_+/=-"),
    _prefixed("supabase", "sbp_ sb_secret_", "20,64", _WORD),
    _prefixed("planetscale", "pscale_tkn_ pscale_pw_ pscale_oauth_", "30,64", "A-Za-z0-9_.=-"),
    _prefixed("pulumi", "pul-", "40", "0-9a-f"),
    _prefixed("doppler", "dp.pt. dp.st. dp.ct. dp.sa. dp.scim. dp.audit.", "32,64", "A-Za-z0-9._-"),
    _prefixed("vault", "hvs. hvb. hvr.", "20,512", _WORD),
    _prefixed("onepassword", "ops_eyJ", "40,2048", "A-Za-z0-9+/=_-"),
    # code, packages, builds
    _prefixed("github", "ghp_ gho_ ghu_ ghs_ ghr_", "20,255"),
    _prefixed("github_pat", "github_pat_", "20,255", "A-Za-z0-9_"),
    _prefixed("gitlab", "glpat- gldt- glrt- glcbt- glptt- glsoat- glimt- glagent- glft- gloas-",
              "16,255", "A-Za-z0-9_.-"),
    _prefixed("bitbucket", "ATBB", "28,40"),
    _prefixed("atlassian", "ATATT3 ATCTT3 ATSTT3", "20,512", "A-Za-z0-9_=.-"),
    _prefixed("npm", "npm_", "30,64"),
    _prefixed("pypi", "pypi-", "32,512", _WORD),
    _prefixed("rubygems", "rubygems_", "40,64", "0-9a-f"),
    _prefixed("clojars", "CLOJARS_", "40,80"),
    _prefixed("crates", "cio", "32"),
    _prefixed("docker", "dckr_pat_ dckr_oat_", "20,64", _WORD),
    _prefixed("circleci", "CCIPAT_", "20,100", "A-Za-z0-9_"),
    _prefixed("buildkite", "bkua_", "40", "0-9a-f"),
    _prefixed("sonar", "squ_ sqp_ sqa_", "40", "0-9a-f"),
    _prefixed("prefect", "pnu_ pnb_", "30,64"),
    _prefixed("infracost", "ico-", "32"),
    _prefixed("postman", "PMAK-", "40,64", "0-9a-f-"),
    _prefixed("jfrog", "AKCp cmVmdGtuOj", "50,100"),
    _prefixed("nuget", "oy2", "43", "a-z0-9"),
    _prefixed("sourcegraph", "sgp_", "40,80", "A-Za-z0-9_"),
    _prefixed("tailscale", "tskey-auth- tskey-api- tskey-client-", "20,80", "A-Za-z0-9-"),
    _prefixed("render", "rnd_", "24,64"),
    _prefixed("neon", "napi_", "40,100", "a-z0-9"),
    _prefixed("runpod", "rpa_", "32,64"),
    _prefixed("apify", "apify_api_", "30,64"),
    _prefixed("readme", "rdme_", "60,80", "a-z0-9"),
    # watching and warning
    _prefixed("grafana", "glsa_ glc_", "20,512", "A-Za-z0-9_+/=-"),
    _prefixed("sentry", "sntrys_ sntryu_", "40,512", "A-Za-z0-9_+/=-"),
    _prefixed("newrelic", "NRAK- NRAA- NRII- NRJS-", "19,64", _WORD),
    _prefixed("axiom", "xaat- xapt-", "36", "0-9a-f-"),
    _prefixed("posthog", "phx_", "30,64"),
    _prefixed("dynatrace", "dt0c01. dt0s01.", "24,128", "A-Za-z0-9.-"),
    # shops, money, mail, chat
    _prefixed("stripe", "sk_live_ sk_test_ rk_live_ rk_test_ whsec_", "10,255"),
    _prefixed("square", "sq0atp- sq0csp- sq0idp-", "20,64", _WORD),
    _prefixed("plaid", "access-sandbox- access-production- access-development-", "36", "0-9a-f-"),
    _prefixed("shopify", "shpat_ shpca_ shppa_ shpss_", "32", _HEX),
    _prefixed("shippo", "shippo_live_ shippo_test_", "40", "0-9a-f"),
    _prefixed("easypost", "EZAK EZTK", "54,64"),
    _prefixed("adyen", "AQE", "60,300", "A-Za-z0-9+/"),
    _prefixed("resend", "re_", "32,40", "A-Za-z0-9_"),
    _prefixed("brevo", "xkeysib- xsmtpsib-", "64,96", "A-Za-z0-9-"),
    _prefixed("linear", "lin_api_ lin_oauth_", "20,80"),
    _prefixed("notion", "ntn_", "40,60"),
    _prefixed("figma", "figd_ figu_", "30,64", _WORD),
    _prefixed("contentful", "CFPAT-", "40,64", _WORD),
    _prefixed("typeform", "tfp_", "40,80", "A-Za-z0-9_."),
    _prefixed("hubspot", "pat-na1- pat-eu1- pat-na2-", "36", "0-9A-Fa-f-"),
    _prefixed("dropbox", "sl.u. sl.B", "60,1400", _WORD),
    _prefixed("facebook", "EAAC EAAG EAAB", "60,512"),
)  # fmt: skip


def _of_a_key(match: re.Match[str]) -> tuple[int, int] | None:
    """Of a JSON Web Key, which says what kind of key it is."""
    near = match.string[max(0, match.start() - 8192) : match.end() + 8192]
    return match.span(1) if "kty" in near.lower() else None


SHAPES: Final = (
    *PREFIXED,
    _shape("openai", ("sk-",), _APART + r"sk-[A-Za-z0-9_-]{16,512}", _with_digit),  # also anthropic, ...
    _shape("aws", ("AKIA", "ASIA", "ABIA", "ACCA"),
           _APART + r"A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _shape("aws_bedrock", ("ABSK", "bedrock-api-key-"),
           _APART + r"(?:ABSK|bedrock-api-key-)[A-Za-z0-9+/=]{60,1024}"),
    _shape("azure_client", ("Q~",),
           r"(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}"),
    _shape("slack", ("xox",), r"xox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,255}"),
    _shape("slack_app", ("xapp-",), r"xapp-\d-[A-Za-z0-9-]{10,255}"),
    Rule(name="discord", kind="secret", view="long", probes=(later(r"\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27}"),),
         pattern=later(
             _APART + r"[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,45}(?![A-Za-z0-9_-])")),
    _shape("telegram", (":AA",), r"(?<![0-9A-Za-z])[0-9]{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])"),
    _shape("sendgrid", ("SG.",), _APART + r"SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,128}"),
    _shape("databricks", ("dapi",), _APART + r"dapi[0-9a-f]{32}(?:-[0-9])?(?![A-Za-z0-9])"),
    _shape("square_token", ("EAAA",), _APART + r"EAAA[A-Za-z0-9_-]{56,64}(?![A-Za-z0-9_-])"),
    _shape("notion_old", ("secret_",), _APART + r"secret_[A-Za-z0-9]{40,64}(?![A-Za-z0-9])"),
    _shape("fcm", (":APA91b", "AAAA"), r"AAAA[A-Za-z0-9_-]{7}:APA91b[A-Za-z0-9_-]{100,200}"),
    _shape("mailgun", ("key-",), _APART + r"key-[0-9a-f]{32}(?![A-Za-z0-9])"),
    _shape("mailchimp", ("-us1", "-us2"), r"(?<![0-9A-Za-z])[0-9a-f]{32}-us[0-9]{1,2}(?![A-Za-z0-9])"),
    _shape("airtable", ("pat",), _APART + r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
    _shape("twilio", ("SK",), _APART + r"SK[0-9a-f]{32}(?![A-Za-z0-9])"),
    _shape("terraform", (".atlasv1.",), r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,80}"),
    _shape("openshift", ("sha256~",), r"sha256~[A-Za-z0-9_-]{43}"),
    _shape("age", ("SECRET-KEY-1",), r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
    _shape("jwt", ("eyJ",), r"eyJ[A-Za-z0-9_-]{10,4096}+", _jwt),
    Rule(name="private_key", kind="secret", view="text", hints=("-----BEGIN",), spot=_pem,
         pattern=later(r"-----BEGIN [A-Z0-9 ]{0,40}(?:PRIVATE|SECRET) KEY(?: BLOCK)?-----")),
    _shape("putty_key", ("PuTTY-User-Key",), r"PuTTY-User-Key-File-[0-9]: ", _putty),
    _shape("encoded_private_key", ("LS0tLS1CRUdJTi",), r"LS0tLS1CRUdJTi[A-Za-z0-9+/=]{40,16000}",
           _encoded_pem),
    _shape("bearer", ("Bearer ", "bearer ", "BEARER "), r"(?i:bearer)\s{1,4}([A-Za-z0-9._~+/=-]{16,8192})",
           lambda match: match.span(1)),
    _shape("basic", ("Basic ", "basic ", "BASIC "), r"(?i:basic)\s{1,4}([A-Za-z0-9+/]{8,1024}={0,2})", _basic),
    Rule(name="jwk", kind="secret", view="names", hints=("kty",), spot=_of_a_key,
         pattern=later(
             r"\"(?:d|p|q|dp|dq|qi|k)\\{0,8}\"\s{0,4}:\s{0,4}\\{0,8}\"([A-Za-z0-9_-]{16,2048})")),
    Rule(name="webhook", kind="secret", view="text",
         hints=("hooks.slack.com/", "/webhook"),
         pattern=later(
             r"(?<=hooks\.slack\.com/)(?:services|workflows|triggers)/[A-Za-z0-9/_-]{20,200}"
             r"|(?<=/api/webhooks/)[0-9]{15,20}/[A-Za-z0-9_-]{40,120}"
             r"|(?<=/webhookb2/)[A-Za-z0-9@/-]{60,300}")),
)  # fmt: skip
"""Every pattern begins with what its hint is, so that a text with many hints costs no more than others."""
