"""Observability for LLM applications and multi-agent systems.

``spanloom.init()`` records every model call, agent, tool call, handoff and retrieval of the program,
by default into ``.spanloom/``; ``spanloom trace last`` shows it.
"""

from .api import flush, init, instrument, shutdown, stats, uninstrument
from .budgets import budget
from .errors import BudgetExceeded
from .manual import (
    agent,
    context,
    current_span,
    embedding,
    evaluation,
    event,
    extract,
    feedback,
    guardrail,
    handoff,
    inject,
    llm_call,
    mcp,
    memory,
    plan,
    rerank,
    retrieval,
    score,
    session,
    set_attributes,
    span,
    suppress,
    task,
    tool,
    workflow,
)

__all__ = [
    "BudgetExceeded", "agent", "budget", "context", "current_span", "embedding", "evaluation", "event", "extract", "feedback",
    "flush", "guardrail", "handoff", "init", "inject", "instrument", "llm_call", "mcp", "memory",
    "plan", "rerank", "retrieval", "score", "session", "set_attributes", "shutdown", "span", "stats",
    "suppress", "task", "tool", "uninstrument", "workflow",
]  # fmt: skip
