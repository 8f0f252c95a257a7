"""Sends tasks, each under a span of its own, and prints the processes that did them."""

import sys

from tasks import answer

import spanloom

results = []
for number in range(int(sys.argv[1])):
    with spanloom.session(f"s-{number}"), spanloom.task("send"):
        results.append(answer.apply_async((number,), headers=spanloom.inject({})))
print(*{result.get(timeout=30) for result in results})
