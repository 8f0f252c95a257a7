"""The first trace, with no account and no network: ``./demo`` runs this.

Starts a fake provider on a loopback port, runs ``examples/support.py`` under ``spanloom run``, and
shows what was recorded. The program is not changed, and does not import spanloom.
"""

import os
import subprocess
import sys
from pathlib import Path

from spanloom.testing import Call, Chat, Error, FakeProvider, Tokens, ToolCall

HERE = Path(__file__).parent
SAID = {
    "apology": "We are sorry that your kettle got lost. The money is on its way back to you.",
    "leaks": "Customer reports a leaking kettle.",
    "invoice": "Invoice carries a wrong address.",
    "Norway": "Asks about shipping to Norway.",
}


def support(call: Call) -> Chat | Error:
    """What a well-behaved model would say to the program."""
    if "retired" in call.params["model"]:
        return Error(404)
    results = [m for m in call.params["messages"] if m["role"] == "tool"]
    usage = Tokens(prompt=len(call.body) // 4, completion=21, cached=64 * len(results))
    if "look up order" in call.text:
        step = ("look_up_order", "refund_order")[len(results) : len(results) + 1]
        if step:
            return Chat(tool_calls=(ToolCall(step[0], {"order_id": "1042"}),), usage=usage)
        return Chat(text="Order 1042 was lost; I have refunded 39.90 USD.", usage=usage)
    text = next((said for word, said in SAID.items() if word in call.text), "I do not know.")
    return Chat(text=text, chunks=12, chunk_delay_s=0.02, usage=usage)


def main() -> int:
    with FakeProvider(seed=7) as provider:
        provider.on("/chat/completions", support)
        environ = os.environ | {"OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "none-needed"}
        spanloom = [sys.executable, "-m", "spanloom"]
        for command in (
            [*spanloom, "run", "--", sys.executable, str(HERE / "support.py")],
            [*spanloom, "trace", "last"],
        ):
            shown = ["python" if word == sys.executable else word for word in command]
            print("$", " ".join(shown).replace("python -m spanloom", "spanloom"), flush=True)
            if status := subprocess.run(command, env=environ, check=False).returncode:
                return status
            print(flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
