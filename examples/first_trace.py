"""The first trace of an OpenAI program, with no account and no network.

Starts a fake provider on a loopback port, runs ``examples/support.py`` under ``spanloom run``, and
shows what was recorded beside what the provider says it answered: other figures on every run. The
program is not changed, and does not import spanloom.
"""

import os
import random
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


def usage(prompt: int, cached: bool) -> Tokens:
    """Counts as a provider would make them up: nobody can know them beforehand."""
    output = random.randint(12, 400)
    return Tokens(
        prompt=prompt + random.randint(0, 99),
        completion=output,
        cached=random.randint(0, prompt) if cached else 0,
        reasoning=random.randint(0, output // 2),
    )


def support(call: Call) -> Chat | Error:
    """What a well-behaved model would say to the program."""
    if "retired" in call.params["model"]:
        return Error(404)
    results = [m for m in call.params["messages"] if m["role"] == "tool"]
    used = usage(len(call.body) // 4, cached=bool(results))
    if "look up order" in call.text:
        step = ("look_up_order", "refund_order")[len(results) : len(results) + 1]
        if step:
            return Chat(tool_calls=(ToolCall(step[0], {"order_id": "1042"}),), usage=used)
        return Chat(text="Order 1042 was lost; I have refunded 39.90 USD.", usage=used)
    text = next((said for word, said in SAID.items() if word in call.text), "I do not know.")
    return Chat(text=text, chunks=12, chunk_delay_s=0.02, usage=used)


def main() -> int:
    with FakeProvider() as provider:
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
        print("the provider says it answered:", totals(provider))
    return 0


def totals(provider: FakeProvider) -> str:
    """The provider's own account, to hold against the last lines of the tree."""
    told = [e.answer.usage or {} for e in provider.exchanges if e.status == 200]
    into = sum(u.get("prompt_tokens", 0) for u in told)
    out = sum(u.get("completion_tokens", 0) for u in told)
    failed = sum(e.status != 200 for e in provider.exchanges)
    return f"{len(provider.exchanges)} calls, {into} tokens in, {out} out, {failed} refused"


if __name__ == "__main__":
    sys.exit(main())
