"""What counts as a secret, a card, an address, somebody's number: rules as data, by family."""

from typing import Final

from spanloom.processors.rules.checks import luhn
from spanloom.processors.rules.columns import COLUMN
from spanloom.processors.rules.ids import LETTERED_ID, NATIONAL_ID, SHORT_ID, SSN
from spanloom.processors.rules.money import CARD, IBAN
from spanloom.processors.rules.named import (
    ASSIGNED,
    OPTION,
    PASSED,
    SESSION,
    URL,
    URL_TOKEN,
    empty,
    password_name,
    random_name,
    secret_name,
)
from spanloom.processors.rules.network import EMAIL, IPV4, IPV6, QUOTED_EMAIL, QUOTED_IPV6
from spanloom.processors.rules.phone import PHONE
from spanloom.processors.rules.screen import (
    WINDOW,
    Hit,
    Rule,
    RuleSet,
    find,
    matches,
    merged,
)
from spanloom.processors.rules.secrets import SHAPES
from spanloom.processors.rules.told import TOLD

__all__ = [
    "ASSIGNED", "KINDS", "PLACEHOLDERS", "RULES", "WINDOW", "Hit", "Rule", "RuleSet", "empty", "find", "luhn",
    "matches", "merged", "password_name", "placeholder", "random_name",
    "secret_name",
]  # fmt: skip

RULES: Final = RuleSet((
    *SHAPES, URL, URL_TOKEN, ASSIGNED, SESSION, OPTION, *PASSED, *COLUMN, *TOLD, EMAIL, QUOTED_EMAIL, IPV4, IPV6,
    QUOTED_IPV6, CARD, IBAN, SSN, NATIONAL_ID, LETTERED_ID, SHORT_ID, PHONE,
))  # fmt: skip

KINDS: Final = frozenset(rule.kind for rule in RULES.rules)

PLACEHOLDERS: Final = {"card": "[CC_REDACTED]"}
"""Of the kinds whose placeholder is not made of their name."""


def placeholder(kind: str) -> str:
    return PLACEHOLDERS.get(kind) or f"[{kind.upper()}_REDACTED]"
