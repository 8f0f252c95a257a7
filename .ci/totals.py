"""Add up the test reports of all environments: the last lines of a run, after why it failed.

Arguments: the folder of the reports, and the files that hold what ``./check`` printed.
"""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

TAIL = 60
"""Lines to repeat of an environment that failed."""

LAST = 4
"""And once more as the very last, as whoever keeps a run's output may keep only its end."""

FAILED = re.compile(r"^  ([\w.-]+): FAIL", re.MULTILINE)
NEXT = re.compile(r"^ *[\w.-]+: (?:OK|FAIL)\b", re.MULTILINE)

folder, *logs = map(Path, sys.argv[1:])
why = []
for log in logs:
    text = log.read_text("utf-8", "replace")
    for name in FAILED.findall(text):
        # each prints all at once, when it has ended
        printed = text.partition(f"\n{name}: ")[2]
        lines = [line for line in NEXT.split(printed)[0].splitlines() if line.strip()]
        print(f"--- {name} failed; the end of what it printed:", *lines[-TAIL:], sep="\n")
        why += [f"{name}: {line[:200]}" for line in lines[-LAST:]]

total = dict.fromkeys(("passed", "failed", "errors", "skipped"), 0)
for path in sorted(folder.glob("junit-*.xml")):
    one = dict.fromkeys(total, 0)
    for suite in ElementTree.parse(path).iter("testsuite"):
        failed, errors, skipped = (int(suite.get(k, 0)) for k in ("failures", "errors", "skipped"))
        one["failed"] += failed
        one["errors"] += errors
        one["skipped"] += skipped
        one["passed"] += int(suite.get("tests", 0)) - failed - errors - skipped
    print(f"{path.stem.removeprefix('junit-')}: " + ", ".join(f"{n} {k}" for k, n in one.items()))
    total = {key: total[key] + one[key] for key in total}
print(", ".join(f"{count} {key}" for key, count in total.items()))
print(*why, sep="\n", end="\n" if why else "")
sys.exit(1 if why or not total["passed"] or total["failed"] or total["errors"] else 0)
