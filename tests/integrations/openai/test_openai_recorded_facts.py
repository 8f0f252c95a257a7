"""The independent reader itself, on wire data whose facts are plain to see."""

import json
import runpy
from pathlib import Path

# by its path: the tests are no package
read = runpy.run_path(str(Path(__file__).with_name("facts.py")))["read"]


def test_whole_and_streamed_agree() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    head = {"id": "c", "model": "m"}
    whole = {**head, "choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}], "usage": usage}  # fmt: skip
    chunks = [
        {**head, "choices": [{"index": 0, "delta": {"content": "h"}}]},
        {**head, "choices": [{"index": 0, "delta": {"content": "i"}, "finish_reason": "stop"}]},
        {**head, "choices": [], "usage": usage},
    ]
    body = "".join(f"data: {json.dumps(c)}\n\n" for c in chunks) + "data: [DONE]\n\n"
    found = read("/v1/chat/completions", body)
    assert found == read("/v1/chat/completions", json.dumps(whole))
    assert (found.text, found.finish, found.total_tokens) == (["hi"], ["stop"], 5)
