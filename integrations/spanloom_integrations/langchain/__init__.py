"""LangChain and LangGraph, by callbacks.

One handler hears of every run in every thread and context, through the list of configure hooks that
``CallbackManager.configure`` walks; no code and no object of the user's is changed. What has no
callbacks is patched: embeddings, checkpointers, stores, and the managers of LangGraph's lifecycle
events; and one method whose fault would cost the program's own handlers an event because of ours.

Checked with langchain-core 0.3.30 and 1.8.3, langgraph 0.2.76 and 1.2.24.
"""

from spanloom.sdk import Hook, Integration

from .embeddings import attach as attach_embeddings
from .hooks import attach, attach_completions, attach_lifecycle
from .memory import attach_checkpointers, attach_stores

INTEGRATION = Integration(
    name="langchain",
    package="langchain-core",
    supports=">=0.3.30",
    control_flow=("GraphBubbleUp",),
    rows=(
        # not langchain_core itself: its tracers import langsmith, which the first run does anyway
        Hook(module="langchain_core.tracers.context", add=attach),
        Hook(module="langchain_core.callbacks.manager", add=attach_completions),
        Hook(module="langgraph.pregel.main", add=attach_lifecycle),
        Hook(module="langchain_core.embeddings.embeddings", add=attach_embeddings),
        Hook(module="langgraph.checkpoint.base", add=attach_checkpointers),
        Hook(module="langgraph.store.base", add=attach_stores),
    ),
)
