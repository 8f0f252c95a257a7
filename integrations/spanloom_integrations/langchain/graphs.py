"""LangGraph: which run is a node, a graph, an agent; what it changed and where it goes next."""

from collections.abc import Iterable, Mapping
from typing import Any

from spanloom.sdk import Active, Run, handoff
from spanloom.types import Link, StateTransition


class Facts:
    """What is known of a run beside its span."""

    def __init__(self, name: str, metadata: Mapping[str, Any], over: "Facts | None") -> None:
        self.name = name
        if metadata:
            self.node = metadata.get("langgraph_node")
            self.ns = metadata.get("langgraph_checkpoint_ns")
            self.agent_said = metadata.get("lc_agent_name")
            self.created = metadata.get("ls_integration") == "langchain_create_agent"
            self.thread = metadata.get("thread_id")
        if over is not None:
            self.over_ns = over.ns

    node: str | None = None
    ns: str | None = None
    agent_said: str | None = None
    created: bool = False
    thread: str | None = None
    over_ns: str | None = None
    is_node = False
    is_graph = False
    stepped = False
    """A node of a graph's own step, which changes the state."""
    joined = False
    """The graph that a node is: its span is the node's."""
    routing = False
    agent: str | None = None
    was_agent: "tuple[str, Active] | None" = None
    """Of a node: the agent that worked in it."""
    goto: tuple[str, ...] = ()
    paused = False
    resumes: Mapping[str, Link] | None = None
    waiting: "dict[str, tuple[str, Active, str]] | None" = None
    """Of a graph: nodes that an agent's node named as next, with the agent, its span, and how."""
    givers: dict[str, str] | None = None
    """Of a root: who handed over to whom."""
    supervisors: frozenset[str] = frozenset()
    """Of a root: agents that get the control back."""
    requested: str | None = None
    """Of a tool: the agent that it hands over to."""
    declared = False
    """Of a tool: made by langgraph-supervisor or -swarm to hand over."""
    arguments: Any = None
    failed: "dict[str, tuple[int, str]] | None" = None
    """How often what is right below failed, and the last error's class: tasks of a graph by namespace,
    tools by call id, an agent's models by name."""
    again_as: str | None = None
    """Under what key a failure of this run is kept there."""
    failed_model: str | None = None
    last_error: str | None = None


NOISE = ("ChannelWrite", "ChannelRead", "Branch<")
UNNAMED = "LangGraph"


def graph_of(run: Run) -> Run | None:
    """The graph whose node ``run`` is: the run above it."""
    return run.over


def failed(over: Facts, what: str, error: Exception) -> None:
    """Remember it at the run above, where it may be tried again."""
    if over.failed is None:
        over.failed = {}
    times, _ = over.failed.get(what, (0, ""))
    over.failed[what] = (times + 1, type(error).__name__)


def agent_above(run: Run | None) -> Run | None:
    while run is not None:
        if run.facts.agent is not None:
            return run
        run = run.over
    return None


def agent_name(facts: Facts, over: Run | None) -> str | None:
    """The agent that begins with this run, as LangChain itself tells sub-agents."""
    said = facts.agent_said
    if said is not None and said == facts.name:
        above = over.facts.agent_said if over is not None else None
        if above != said:
            return said
    return None


def becomes_graph(run: Run, node: str) -> None:
    """Its first node has started: ``run`` is a graph, perhaps an agent."""
    facts: Facts = run.facts
    facts.is_graph = True
    if facts.agent is not None:
        return
    # create_react_agent, and create_agent without a name or before it said one
    built = node == "agent" and facts.name != UNNAMED
    *_, root = run.upward()
    received = root.facts.givers is not None and facts.name in root.facts.givers  # as a team does
    if built or received or (facts.created and (run.over is None or not run.over.facts.created)):
        becomes_agent(run, facts.name)
    elif run.over is None and run.active is not None and run.active.kind == "task":
        run.active.kind = "workflow"


def becomes_agent(run: Run, name: str) -> None:
    facts: Facts = run.facts
    facts.agent = name
    span = run.span
    if span is None:
        return
    node: Run | None = run
    while node is not None and not node.facts.is_node:
        node = node.over
    if node is not None:
        if node.facts.was_agent is None:
            node.facts.was_agent = (name, span)
        graph = graph_of(node)
        waiting = graph.facts.waiting if graph is not None else None
        if waiting and (found := waiting.pop(node.facts.name, None)) is not None:
            source, giver, mechanism = found
            if source != name:
                handoff(giver, source=source, target=name, mechanism=mechanism)
                remember_giver(node, source, name)
    if span.kind != "agent":
        span.become_agent(name)
    *_, root = run.upward()
    if name in root.facts.supervisors:
        span.set_attributes(role="supervisor")


def remember_giver(run: Run, source: str, target: str) -> None:
    *_, root = run.upward()
    if root.facts.givers is None:
        root.facts.givers = {}
    root.facts.givers[target] = source


# -- transitions --------------------------------------------------------------------------------


def names_of(goto: Any) -> tuple[str, ...]:
    """Nodes that a ``goto`` or a routing function's result names."""
    if isinstance(goto, str):
        return (goto,)
    if isinstance(node := getattr(goto, "node", None), str):
        return (node,)
    if isinstance(goto, list | tuple | set):
        return tuple(name for one in goto for name in names_of(one))
    return ()


def commands(output: Any) -> Iterable[Any]:
    if type(output).__name__ == "Command" and hasattr(output, "goto"):
        yield output
    elif isinstance(output, list | tuple):
        for one in output:
            if type(one).__name__ == "Command" and hasattr(one, "goto"):
                yield one


def keys_of(output: Any) -> tuple[str, ...]:
    """Which keys of the state an output changes."""
    if isinstance(output, Mapping):
        return tuple(map(str, output))
    if type(output).__name__ == "Command" and hasattr(output, "update"):
        return keys_of(output.update)
    if isinstance(output, list | tuple):
        if output and all(isinstance(p, tuple) and len(p) == 2 for p in output):
            return tuple(str(p[0]) for p in output)  # an update as pairs
        return tuple(dict.fromkeys(k for one in output for k in keys_of(one)))
    given = getattr(output, "__pydantic_fields_set__", None)
    if given is not None:
        return tuple(sorted(given))
    if hasattr(output, "__dataclass_fields__"):
        return tuple(output.__dataclass_fields__)
    return ()


def transition(run: Run, output: Any) -> None:
    """Add the event to the node's span, and remember where an agent sends the control."""
    facts: Facts = run.facts
    span = run.span
    if span is None:
        return
    ordered = tuple(name for c in commands(output) for name in names_of(c.goto))
    span.add_event(
        StateTransition(
            time_ns=span.now_ns(),
            node=facts.name,
            changed=keys_of(output),
            goto=(*ordered, *facts.goto),
        )
    )
    graph = graph_of(run)
    if facts.was_agent is not None and graph is not None:
        name, giver = facts.was_agent
        for next_, how in [(n, "command") for n in ordered] + [
            (n, "return_value") for n in facts.goto
        ]:
            if next_ != "__end__":
                if graph.facts.waiting is None:
                    graph.facts.waiting = {}
                graph.facts.waiting[next_] = (name, giver, how)


# -- handoffs -----------------------------------------------------------------------------------

DESTINATION = "__handoff_destination"


def requested_of(name: str, metadata: Mapping[str, Any]) -> str | None:
    said = metadata.get(DESTINATION)
    if isinstance(said, str):
        return said
    for prefix in ("transfer_to_", "handoff_to_"):
        if name.startswith(prefix) and len(name) > len(prefix):
            return name[len(prefix) :]
    return None


def _giver(run: Run) -> Run | None:
    """The agent in which a tool ran; a named graph is one, as it hands over."""
    found = agent_above(run.over)
    if found is not None:
        return found
    for above in run.upward():
        facts: Facts = above.facts
        if facts.is_graph and facts.name != UNNAMED and above.over is not None:
            becomes_agent(above, facts.name)
            return above
    return None


_REASONS = ("reason", "task_description", "task", "instructions", "message")


def handed_over(run: Run, output: Any, arguments: Any) -> None:
    """A tool has ended: did it pass control to another agent?"""
    facts: Facts = run.facts
    orders = [c for c in commands(output) if getattr(c, "graph", None) == "__parent__"]
    targets = tuple(n for c in orders for n in names_of(c.goto) if n != "__end__")
    if not targets and facts.requested is None:
        return
    giver = _giver(run)
    if giver is None or (span := giver.span) is None:
        return
    source = giver.facts.agent or giver.facts.name
    about: dict[str, Any] = {"source": source, "mechanism": "tool_call"}
    if arguments:
        about["payload"] = arguments
        reason = next((arguments[n] for n in _REASONS if isinstance(arguments.get(n), str)), None)
        about["reason"] = reason
    if not targets and facts.requested is not None:
        failed = getattr(output, "status", None) == "error"
        handoff(span, target=facts.requested, outcome="failed" if failed else "refused", **about)
        return
    update = next((c.update for c in orders if isinstance(c.update, Mapping)), {})
    returns = None
    if (
        facts.declared
    ):  # langgraph-supervisor's and -swarm's own tools; only a swarm keeps who is active
        returns = "active_agent" not in update
    for target in targets:
        handoff(span, target=target, returns_control=returns, **about)
        remember_giver(run, source, target)
    if returns:
        *_, root = run.upward()
        root.facts.supervisors |= {source}
        span.set_attributes(role="supervisor")


def handoff_failed(run: Run) -> None:
    facts: Facts = run.facts
    giver = _giver(run) if facts.requested is not None else None
    if giver is not None and facts.requested is not None and (span := giver.span) is not None:
        handoff(
            span,
            source=giver.facts.agent or giver.facts.name,
            target=facts.requested,
            mechanism="tool_call",
            outcome="failed",
        )


def gave_back(run: Run, output: Any) -> None:
    """A worker's node has ended with the messages by which a supervisor takes over again."""
    said = output.get("messages") if isinstance(output, Mapping) else None
    if not isinstance(said, list) or run.facts.was_agent is None:
        return
    if not any(
        "__is_handoff_back" in (getattr(m, "response_metadata", None) or ()) for m in said[-2:]
    ):
        return
    name, span = run.facts.was_agent
    *_, root = run.upward()
    target = (root.facts.givers or {}).get(name)
    if target is not None:
        span.set_attributes(role="worker")
        handoff(span, source=name, target=target, mechanism="return_value", returns_control=False)
