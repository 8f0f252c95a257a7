"""Add up the test reports of all environments: the last lines of a run."""

import sys
from pathlib import Path
from xml.etree import ElementTree

total = dict.fromkeys(("passed", "failed", "errors", "skipped"), 0)
for path in sorted(Path(sys.argv[1]).glob("junit-*.xml")):
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
sys.exit(1 if not total["passed"] or total["failed"] or total["errors"] else 0)
