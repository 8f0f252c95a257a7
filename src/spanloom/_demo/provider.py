"""The provider of ``spanloom demo``: a fake one on a loopback port, with a story that it tells once.

``python provider.py LOG``; its first line is its base URL, it serves until stdin closes, and LOG gets
what it answered. Cities, texts, ids and token counts are other ones on each run.
"""

import sys
from random import SystemRandom

from spanloom.testing import Answer, Chat, Error, FakeProvider, ToolCall

CITIES = ("Oslo", "Bergen", "Tromsø", "Trondheim", "Stavanger", "Bodø")


def story(random: SystemRandom) -> list[Answer]:
    """What the models answer, in the order in which the program must ask."""
    cities = random.sample(CITIES, random.randint(2, 3))
    pieces = random.randint(5, 12)
    return [
        asks("transfer_to_researcher", reason="The facts are missing."),
        Error(429, headers={"retry-after-ms": "50"}),
        Chat(tool_calls=tuple(ToolCall("population", {"city": city}) for city in cities)),
        asks("transfer_to_supervisor", reason="The facts are there."),
        asks("transfer_to_writer", reason="It can be written now."),
        asks("draft", topic=f"The people of {' and '.join(cities)}"),
        Chat(chunks=pieces, chunk_delay_s=0.02),  # the draft itself, as it is written
        asks("publish", title=f"On {cities[0]}"),  # here it waits for somebody
        asks("transfer_to_supervisor", reason="It is published."),
        Chat(),
    ]


def asks(tool: str, **arguments: str) -> Chat:
    return Chat(tool_calls=(ToolCall(tool, arguments),))


def main(log: str) -> None:
    with FakeProvider(log=log) as provider:
        provider.script(story(SystemRandom()))
        sys.stdout.write(f"{provider.url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
