"""Fail where a type that users see is unknown to their type checker.

Types that a checker has to infer are counted and not refused: we write our attributes as
``self.x = 0``, and every checker infers that alike.
"""

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
counts = found["exportedSymbolCounts"]
print(f"public symbols: {counts}, complete: {found['completenessScore']:.1%}")
unknown = 0
for symbol in found["symbols"]:
    if symbol["name"].startswith("spanloom.demo."):  # a program that we ship, and no interface
        continue
    if symbol["isExported"] and not symbol["isTypeKnown"] and not symbol["isTypeAmbiguous"]:
        unknown += 1
        print(symbol["name"], *(d["message"] for d in symbol["diagnostics"]), sep="\n  ")
sys.exit(1 if unknown else 0)
