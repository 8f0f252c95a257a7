"""From raw figures to tables and verdicts.

Added means: with the recorder minus the bare call. The processes of a round take turns of some
20 ms, and a turn is compared with the bare call's turn beside it, as the machine's other load
moves times by tens of percent within seconds; then the middle of the turns and of the rounds
counts. What other threads and the final flush use is measured in a run without turns, and added
for the whole process. The best peer is the one that adds least, of those that delivered over 99 % of their spans.
"""

import statistics
from dataclasses import dataclass
from typing import Any

from adapters import ADAPTERS
from workloads import CALLS

BARE, OURS = "none", "ours"
SAID = {
    "W1": "one chat completion, 2 KB prompt, 1 KB answer",
    "W1A": "W1 with the async client",
    "W2": "W1 streamed in 200 chunks",
    "W3": "W1 with a 100 KB prompt",
    "W4": "LangChain: prompt, model and parser (4 runs)",
    "W5": "LangGraph: an agent with 3 tool calls and an answer (15 runs)",
    "W9": "manual API: 3 nested spans with 10 attributes each",
    "stream": "iterating a stream whose chunks are ready, per chunk",
}

Raw = dict[str, dict[str, list[dict[str, Any]]]]
"""Adapter, then workload (``cg:W1`` for instructions), then one dictionary for each round."""


@dataclass(frozen=True)
class Bound:
    """``timed`` bounds depend on the machine's load and are not judged by a quick run."""

    what: str
    figure: float | None
    limit: float | None
    unit: str = ""
    timed: bool = False
    strict: bool = False
    """True: below the limit; else: at most the limit."""

    @property
    def verdict(self) -> str:
        if self.figure is None or self.limit is None:
            return "not measured"
        holds = self.figure < self.limit if self.strict else self.figure <= self.limit
        return "PASS" if holds else "MISS"

    def row(self) -> list[str]:
        sign = "<" if self.strict else "<="
        return [
            self.what,
            number(self.figure) + self.unit if self.figure is not None else "",
            f"{sign} {number(self.limit)}{self.unit}" if self.limit is not None else "",
            self.verdict,
        ]


class Report:
    def __init__(self, raw: Raw) -> None:
        self.raw = raw

    def runs(self, adapter: str, workload: str) -> list[dict[str, Any]]:
        return self.raw.get(adapter, {}).get(workload, [])

    def values(self, adapter: str, workload: str, key: str) -> list[float]:
        return [r[key] for r in self.runs(adapter, workload) if r.get(key) is not None]

    def middle(self, adapter: str, workload: str, key: str) -> float | None:
        values = self.values(adapter, workload, key)
        return statistics.median(values) if values else None

    def bare(self, workload: str, key: str) -> float | None:
        """The bare call's own time: the middle turn of the middle round."""
        turns = [statistics.median(r[key]) for r in self.runs(BARE, workload) if r.get(key)]
        return statistics.median(turns) if turns else None

    def paired(self, adapter: str, workload: str, key: str) -> float | None:
        """Added time of one call on the calling thread."""
        rounds = []
        pairs = zip(self.runs(adapter, workload), self.runs(BARE, workload), strict=False)
        for ours, bare in pairs:
            if ours.get(key) and bare.get(key):
                turns = [a - b for a, b in zip(ours[key], bare[key], strict=False)]
                rounds.append(statistics.median(turns))
        return statistics.median(rounds) if rounds else None

    def process(self, adapter: str, workload: str) -> float | None:
        """Added CPU of one call in the whole process: on the calling thread, and all the rest."""
        caller = self.paired(adapter, workload, "thread_mean_us")
        rest = minus(
            self.middle(adapter, workload, "rest_us"), self.middle(BARE, workload, "rest_us")
        )
        return None if caller is None or rest is None else caller + rest

    def added(self, adapter: str, workload: str, key: str) -> float | None:
        """Added instructions or time per call."""
        if workload.startswith("cg:"):
            ours, bare = self.middle(adapter, workload, key), self.middle(BARE, workload, key)
            return minus(ours, bare)
        return self.paired(adapter, workload, key)

    def kept(self, adapter: str, workload: str) -> float | None:
        """The worst round's share of spans that arrived."""
        runs = self.runs(adapter, workload)
        return min((r["spans"] / r["expected"] for r in runs if r.get("expected")), default=None)

    def best_peer(self, workload: str, key: str) -> float | None:
        found = []
        for name, adapter in ADAPTERS.items():
            value = self.added(name, workload, key)
            if adapter.peer and value is not None and (self.kept(name, workload) or 0) > 0.99:
                found.append(value)
        return min(found, default=None)

    def names(self, workload: str) -> list[str]:
        return [n for n in ADAPTERS if self.values(n, workload, "thread_us")]

    def instruction_table(self, workload: str) -> str:
        key = "cg:" + workload
        best = self.best_peer(key, "caller")
        rows = []
        for name in (n for n in ADAPTERS if self.values(n, key, "caller")):
            caller, process = self.added(name, key, "caller"), self.added(name, key, "process")
            bare, kept = self.middle(BARE, key, "caller"), self.kept(name, key)
            if name == BARE:
                rows.append([ADAPTERS[name].label, f"({number(bare)})", "", "1", "", ""])
                continue
            cells = [number(caller), number(process), ratio(bare, caller), share(caller, best)]
            rows.append([ADAPTERS[name].label, *cells, percent(kept)])
        head = ["", "caller k-instr", "process k-instr", "x bare call", "x best peer", "kept"]
        return table(head, rows)

    def time_table(self, workload: str) -> str:
        best = self.best_peer(workload, "thread_us")
        bare = self.bare(workload, "thread_us")
        rows = []
        for name in self.names(workload):
            if name == BARE:
                rows.append(
                    [ADAPTERS[name].label, f"({number(bare)})", "", "1", "", "", "", "", ""]
                )
                continue
            caller = self.added(name, workload, "thread_us")
            total = self.process(name, workload)
            rows.append(
                [
                    ADAPTERS[name].label,
                    number(caller),
                    number(self.added(name, workload, "wall_us")),
                    ratio(bare, caller),
                    share(caller, best),
                    number(total),
                    ratio(bare, total),
                    percent(self.kept(name, workload)),
                    number(self.middle(name, workload, "bytes_per_call")),
                ]
            )
        head = ["", "caller us", "wall us", "x bare call", "x best peer"]
        head += ["process us", "x bare CPU", "kept", "bytes/call"]
        return table(head, rows)

    def stream_table(self) -> str:
        rows = []
        for name in self.names("stream"):
            added = self.added(name, "stream", "thread_us")
            kept = self.middle(name, "stream", "kept_chunks")
            cell = f"({number(self.bare('stream', 'thread_us'))})"
            shown = cell if name == BARE else number(added)
            rows.append([ADAPTERS[name].label, shown, number(kept)])
        return table(["", "caller us per chunk", "chunk objects alive after a stream of 201"], rows)

    def import_table(self) -> str:
        keys = ("cpu_ms", "wall_ms", "rss_mb", "modules", "threads")
        rows = [
            [ADAPTERS[n].label, *(number(self.middle(n, "import", k)) for k in keys)]
            for n in ADAPTERS
            if n != BARE and self.values(n, "import", "cpu_ms")
        ]
        return table(["", "CPU ms", "wall ms", "RSS MB", "modules", "threads"], rows)

    def unwanted(self) -> list[str] | None:
        runs = self.runs(OURS, "clean")
        found = [set(r["unwanted"]) for r in runs if "unwanted" in r]
        return sorted(set().union(*found)) if found else None

    def bounds(self) -> list[Bound]:
        if not self.raw.get(OURS):
            return []
        bounds = []
        for workload, part in (("W1", 5), ("W9", 8), ("W4", 10)):
            key = "cg:" + workload
            best = self.best_peer(key, "caller")
            limit = best / part if best is not None else None
            what = f"{workload}: instructions on the calling thread, 1/{part} of the best peer's"
            bounds.append(Bound(what, self.added(OURS, key, "caller"), limit, " k"))
        ours = self.added(OURS, "W5", "thread_us")
        best = self.best_peer("W5", "thread_us")
        limit = best / 6 if best is not None else None
        what = "W5: CPU on the calling thread, 1/6 of the best peer's"
        bounds.append(Bound(what, ours, limit, " us", timed=True))
        for workload in ("W1", "W2"):
            key = "cg:" + workload
            what = f"{workload}: whole process, below the best peer's calling thread alone"
            ours, best = self.added(OURS, key, "process"), self.best_peer(key, "caller")
            bounds.append(Bound(what + " (instructions)", ours, best, " k", strict=True))
            ours = self.process(OURS, workload)
            best = self.best_peer(workload, "thread_mean_us")
            bounds.append(Bound(what + " (CPU)", ours, best, " us", timed=True, strict=True))
        per_chunk = self.added(OURS, "stream", "thread_us")
        bounds.append(Bound("stream: added per chunk", per_chunk, 2, " us", timed=True))
        alive = self.values(OURS, "stream", "kept_chunks")
        bounds.append(Bound("stream: chunk objects kept", max(alive, default=None), 0))
        cpu, rss = self.middle(OURS, "import", "cpu_ms"), self.middle(OURS, "import", "rss_mb")
        bounds.append(Bound("import and init: CPU", cpu, 50, " ms", timed=True))
        bounds.append(Bound("import and init: memory", rss, 5, " MB"))
        found = self.unwanted()
        what = "import and init: frameworks and exporters imported"
        what += f" ({', '.join(found)})" if found else ""
        bounds.append(Bound(what, None if found is None else len(found), 0))
        for workload in CALLS:
            for key in (workload, "alone:" + workload, "cg:" + workload):
                runs = self.runs(OURS, key)
                lost = [r["expected"] - r["spans"] for r in runs if "spans" in r]
                bare = [1 for r in runs if "spans" in r and not (r["expected"] and r["content"])]
                if lost:
                    named = key.replace("cg:", "under valgrind, ").replace("alone:", "alone, ")
                    what = f"{named}: spans lost, doubled or without their content"
                    bounds.append(Bound(what, sum(map(abs, lost)) + len(bare), 0))
        return bounds

    def markdown(self) -> str:
        out = []
        if bounds := self.bounds():
            head = ["bound", "measured", "limit", ""]
            out.append("## Bounds\n\n" + table(head, [b.row() for b in bounds]))
        for workload in CALLS:
            parts = []
            if workload == "stream":
                if self.names("stream"):
                    parts.append(self.stream_table())
            else:
                if self.values(BARE, "cg:" + workload, "caller"):
                    parts.append(self.instruction_table(workload))
                if self.names(workload):
                    parts.append(self.time_table(workload))
            if parts:
                out.append(f"## {workload}: {SAID[workload]}\n\n" + "\n\n".join(parts))
        if any(self.values(n, "import", "cpu_ms") for n in ADAPTERS):
            out.append("## Import and switch on, openai being imported\n\n" + self.import_table())
        if failed := self.failed():
            out.append("## Did not run\n\n" + "\n".join(f"- {line}" for line in failed))
        return "\n\n".join(out) + "\n"

    def failed(self) -> list[str]:
        return [
            f"{ADAPTERS[name].label}, {workload}: {run['error']}"
            for name, workloads in self.raw.items()
            for workload, runs in workloads.items()
            for run in runs[-1:]
            if "error" in run
        ]


def minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def number(value: float | None) -> str:
    if value is None:
        return ""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def ratio(bare: float | None, added: float | None) -> str:
    return "" if not bare or added is None else f"{1 + added / bare:.2f}"


def share(value: float | None, best: float | None) -> str:
    return "" if value is None or not best or best < 0 else f"{value / best:.2f}"


def percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}".replace(".0%", "%")


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
