"""Fail unless what SPANLOOM_EXPECTED says, such as ``openai==1.66.0``, is what got installed."""

import os
import re
import sys
from importlib.metadata import version


def numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text)))


name, relation, wanted = re.split(r"(==|>=)", os.environ["SPANLOOM_EXPECTED"])
found = version(name)
print(f"{name} {found}")
right = numbers(found) == numbers(wanted) if relation == "==" else numbers(found) >= numbers(wanted)
sys.exit(None if right else f"wanted {name}{relation}{wanted}: something holds it back")
