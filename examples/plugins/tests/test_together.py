"""All three in a program that knows none of them."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from spanloom.testing import Chat, FakeProvider, Tokens

PROGRAM = """
import parrot, spanloom
client = parrot.Client()
with spanloom.context(tenant="acme"):
    print(client.chat("macaw-2", [{"role": "user", "content": "Say hello."}]).text)
"""


def test_a_program_that_is_run(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(PROGRAM, encoding="utf-8")
    with FakeProvider(seed=7) as provider:
        provider.script([Chat(text="Hello!", usage=Tokens(9, 3))])
        environ = os.environ | {
            "PARROT_BASE_URL": provider.url,
            "SPANLOOM_BACKENDS": "local,sqlite",
            "SPANLOOM_PROCESSORS": "tenant",
        }
        done = subprocess.run(
            [sys.executable, "-m", "spanloom", "run", "app.py"],
            cwd=tmp_path, env=environ, capture_output=True, text=True, check=True,
        )  # fmt: skip
    assert (done.stdout, done.stderr) == ("Hello!\n", "")
    with closing(sqlite3.connect(tmp_path / ".spanloom" / "spans.sqlite")) as db:
        found = db.execute("SELECT kind, name, input_tokens, tags FROM spans ORDER BY start_ns")
        assert found.fetchall() == [
            ("workflow", "app.py", None, "[]"),
            ("llm", "chat macaw-2", 9, '["tenant:acme"]'),
        ]
