"""Fail where a type that users see is unknown to their type checker, or has to be guessed by it."""

import json
import subprocess
import sys

done = subprocess.run(
    ["basedpyright", "--verifytypes", "spanloom", "--ignoreexternal", "--outputjson"],
    capture_output=True,
    text=True,
    check=False,
)
found = json.loads(done.stdout)["typeCompleteness"]
if not found.get("pyTypedPath"):
    sys.exit("spanloom/py.typed is not seen")
print(f"public symbols: {found['exportedSymbolCounts']}")
print(f"complete: {found['completenessScore']:.1%}")
for symbol in found["symbols"]:
    if symbol["isExported"] and not symbol["isTypeKnown"]:
        print(symbol["name"], *(d["message"] for d in symbol["diagnostics"]), sep="\n  ")
sys.exit(0 if found["completenessScore"] == 1 else 1)
