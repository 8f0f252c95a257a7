"""The event model: what a processor and a backend receive.

Every type is frozen. Units are in the names: ``_ns`` is nanoseconds (since the Unix epoch
where the name starts with ``start``, ``end`` or ``time``), ``_s`` seconds, ``_usd`` US dollars,
``_bytes`` bytes. ``None`` means "nobody said", never zero. Names of an outside convention
(``gen_ai.*``, OpenInference, ``langfuse.*``) do not occur here; they belong to the backend
that speaks them.

A ``Span`` is one unit of work; its ``detail`` says which kind of work. Point events lie in
``Span.events``. ``Value`` marks whatever a program passed as data: after normalising it is
made of ``None``, ``bool``, ``int``, ``float``, ``str``, ``list`` and ``dict`` with ``str`` keys.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeAlias

from msgspec import Struct, field

Value: TypeAlias = Any
"""Data of the program: JSON-like once the pipeline has normalised it."""

Kind = Literal[
    "workflow", "agent", "llm", "tool", "handoff", "retrieval", "rerank", "embedding",
    "memory", "guardrail", "evaluation", "plan", "mcp", "task",
]  # fmt: skip
Role = Literal["system", "user", "assistant", "tool"]
Status = Literal["ok", "error", "timeout", "cancelled", "pending"]
ErrorType = Literal[
    "rate_limit", "timeout", "auth", "permission", "invalid_request", "context_length",
    "content_filter", "not_found", "quota", "overloaded", "server", "connection", "parse",
    "tool", "guardrail", "other",
]  # fmt: skip
SessionSource = Literal["explicit", "framework", "baggage"]


class Part(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """One piece of a message."""


class Text(Part, frozen=True, kw_only=True, omit_defaults=True, tag="text"):
    text: str


class Reasoning(Part, frozen=True, kw_only=True, omit_defaults=True, tag="reasoning"):
    """What the model thought: the text, or only its summary or encrypted form."""

    text: str | None = None
    encrypted: bool = False


class Refusal(Part, frozen=True, kw_only=True, omit_defaults=True, tag="refusal"):
    text: str


class Media(Part, frozen=True, kw_only=True, omit_defaults=True, tag="media"):
    """An image, audio or file: by address, or stored once under ``sha256`` (see ``Blob``)."""

    media: Literal["image", "audio", "video", "file"]
    mime_type: str | None = None
    url: str | None = None
    """Where it lies, if it was given by address."""
    file_id: str | None = None
    """The provider's id, if it was uploaded before."""
    name: str | None = None
    sha256: str | None = None
    """Of its bytes, which are a ``Blob`` of the same span."""
    size_bytes: int | None = None


class ToolRequest(Part, frozen=True, kw_only=True, omit_defaults=True, tag="tool_request"):
    """The model asks for a tool. ``arguments`` is parsed JSON, or the raw text where it is not JSON."""

    name: str
    id: str | None = None
    """By which the result names it."""
    arguments: Value = None
    server_side: bool = False
    """The provider runs it itself (web search, code interpreter)."""


class ToolResult(Part, frozen=True, kw_only=True, omit_defaults=True, tag="tool_result"):
    """The answer to the request of that ``id``."""

    id: str | None = None
    name: str | None = None
    result: Value = None
    is_error: bool = False


class Opaque(Part, frozen=True, kw_only=True, omit_defaults=True, tag="opaque"):
    """A part that we do not model: nothing is lost. ``name`` is the provider's own type."""

    name: str
    value: Value = None


MessagePart: TypeAlias = Text | Reasoning | Refusal | Media | ToolRequest | ToolResult | Opaque


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True):
    role: Role
    parts: tuple[MessagePart, ...] = ()
    name: str | None = None
    """Of the author, where one role has several."""


class ToolDefinition(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tool offered to a model. ``parameters`` is its JSON Schema."""

    name: str
    description: str | None = None
    parameters: Value = None
    type: str = "function"


class Usage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Token counts as the provider billed them.

    ``input`` includes ``cached`` and ``cache_write``; ``output`` includes ``reasoning``; the
    modality counts are parts of their side too, and ``cached_audio`` of ``input_audio`` and
    ``cached`` both. ``total`` is the provider's own sum.
    """

    input: int | None = None
    output: int | None = None
    total: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    input_text: int | None = None
    input_audio: int | None = None
    input_image: int | None = None
    output_text: int | None = None
    output_audio: int | None = None
    output_image: int | None = None
    accepted_prediction: int | None = None
    rejected_prediction: int | None = None
    cache_write_1h: int | None = None
    """Of ``cache_write``, what is to be kept for an hour, which costs more."""
    cached_audio: int | None = None
    cached_image: int | None = None
    searches: int | None = None
    """Searches of the web that the provider ran itself, where it bills them apart."""
    audio_s: float | None = None
    """Seconds of audio, where the provider bills time and not tokens."""


class Cost(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Money for one call. ``total_usd`` absent: unknown, and ``reason`` says why."""

    total_usd: float | None = None
    components_usd: Mapping[str, float] = {}
    source: Literal["provider", "gateway", "prices", "own_prices"] | None = None
    prices_date: str | None = None
    reason: str | None = None


class Attempt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One HTTP attempt that did not answer and was tried again. ``number`` counts from 1."""

    number: int
    reason: str
    """An error type, or the word of the library."""
    http_status: int | None = None
    time_ns: int | None = None
    """When it was made, or given up."""


class CacheHit(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An answer that came from a cache: the response, a semantic neighbour, or the prompt's prefix."""

    kind: Literal["response", "semantic", "prompt"]
    hit: bool = True


class Prompt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The managed prompt a call was made from."""

    name: str | None = None
    version: str | None = None
    variables: Mapping[str, Value] = {}


class Document(Struct, frozen=True, kw_only=True, omit_defaults=True):
    id: str | None = None
    content: Value = None
    score: float | None = None
    metadata: Mapping[str, Value] = {}


class Detail(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """What kind of work a span was, and its facts. One subclass for each kind."""

    kind: ClassVar[Kind]


class ModelCall(Detail, frozen=True, kw_only=True, omit_defaults=True):
    """What every request to a model has: the common ground of ``llm``, ``embedding``, ``rerank``."""

    provider: str | None = None
    """Who answers, in lower case: ``openai``, ``azure.ai.openai``, ``deepseek``, ..."""
    model: str | None = None
    """As requested."""
    response_model: str | None = None
    """As answered."""
    response_id: str | None = None
    """The provider's id of the answer."""
    operation: str | None = None
    """What was asked for: ``chat``, ``text_completion``, ``embeddings``, ``speech``, ..."""
    server_address: str | None = None
    """Host that the request went to."""
    server_port: int | None = None
    usage: Usage | None = None
    cost: Cost | None = None
    """Filled in by spanloom; an integration gives only what the provider itself said."""
    provider_request_id: str | None = None
    """The provider's id of the request, as its support asks for."""
    http_status: int | None = None
    """Of the last attempt."""
    attempts: tuple[Attempt, ...] = ()
    """Those that were tried again, the last one not among them."""
    fallback_from: str | None = None
    """The model that failed before this one was asked."""
    fallback_to: str | None = None
    """The model that was asked in its place."""
    cache: CacheHit | None = None
    """Whether the answer came from a cache."""


class LLMCall(ModelCall, frozen=True, kw_only=True, omit_defaults=True, tag="llm"):
    """One call of a generating model: chat, completion, image, speech, transcription."""

    kind: ClassVar[Kind] = "llm"

    input: tuple[Message, ...] = ()
    """All messages that were sent, in order."""
    output: tuple[Message, ...] = ()
    """One message for each choice."""
    tools: tuple[ToolDefinition, ...] = ()
    """Those that the model was offered."""
    stream: bool = False
    """Whether the answer came in pieces."""
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    """Of the answer, at most."""
    seed: int | None = None
    stop: tuple[str, ...] = ()
    """Texts at which the model was to stop."""
    choices: int | None = None
    """How many answers were asked for."""
    reasoning_effort: str | None = None
    """In the provider's words."""
    response_format: Value = None
    tool_choice: Value = None
    params: Mapping[str, Value] = {}
    """The other parameters, under the provider's names."""
    finish: tuple[str, ...] = ()
    """Finish reasons, one for each choice, as the provider said."""
    time_to_first_chunk_ns: int | None = None
    """From the start to the first chunk with content; never the empty role chunk."""
    time_per_output_chunk_ns: int | None = None
    """Mean gap between content chunks after the first. Chunks are not tokens."""
    output_tokens_per_s: float | None = None
    """Output tokens after the first chunk, over the time after the first chunk."""
    chunks: int | None = None
    """How many had content."""
    service_tier: str | None = None
    """As answered; it may change the price."""
    system_fingerprint: str | None = None
    """Of the provider's own set-up."""
    conversation_id: str | None = None
    """The provider's own, which is the session where nobody named another."""
    previous_response_id: str | None = None
    """The answer that this call goes on from."""
    prompt: Prompt | None = None
    """The managed prompt that it was made from."""
    prompt_fingerprint: str | None = None
    """Of the system messages and the tools: a change of prompt is seen though nobody marked it."""
    params_fingerprint: str | None = None
    """Of the parameters."""


class Embedding(ModelCall, frozen=True, kw_only=True, omit_defaults=True, tag="embedding"):
    kind: ClassVar[Kind] = "embedding"

    input: Value = None
    """The texts."""
    count: int | None = None
    """How many vectors came back."""
    dimensions: int | None = None
    """Of each vector."""
    encoding: str | None = None


class Rerank(ModelCall, frozen=True, kw_only=True, omit_defaults=True, tag="rerank"):
    kind: ClassVar[Kind] = "rerank"

    query: Value = None
    candidates: int | None = None
    """How many documents were given."""
    top_n: int | None = None
    """How many were asked for."""
    documents: tuple[Document, ...] = ()
    """In the new order, with the new scores."""


class Task(Detail, frozen=True, kw_only=True, omit_defaults=True, tag="task"):
    """A generic step."""

    kind: ClassVar[Kind] = "task"

    input: Value = None
    output: Value = None


class Workflow(Detail, frozen=True, kw_only=True, omit_defaults=True, tag="workflow"):
    """The work of a whole program or request."""

    kind: ClassVar[Kind] = "workflow"

    input: Value = None
    output: Value = None


class Agent(Detail, frozen=True, kw_only=True, omit_defaults=True, tag="agent"):
    kind: ClassVar[Kind] = "agent"

    agent: str | None = None
    """Its name."""
    agent_id: str | None = None
    role: str | None = None
    """``supervisor`` or ``worker``, where the framework says so."""
    description: str | None = None
    model: str | None = None
    input: Value = None
    output: Value = None


class Tool(Detail, frozen=True, kw_only=True, omit_defaults=True, tag="tool"):
    kind: ClassVar[Kind] = "tool"

    tool: str | None = None
    """Its name."""
    call_id: str | None = None
    """The id of the model's request that asked for it."""
    type: str | None = None
    description: str | None = None
    input: Value = None
    output: Value = None
    is_error: bool = False
    """It answered, and the answer is an error."""


class Handoff(Detail, frozen=True, kw_only=True, omit_defaults=True, tag="handoff"):
    """Control passes from one agent to another. The receiving agent's span links to this one."""

    kind: ClassVar[Kind] = "handoff"

    source: str | None = None
    """The agent that gives."""
    target: str | None = None
    """The agent that is to take over."""
    mechanism: str | None = None
    """``tool_call``, ``command``, ``return_value``, ``native`` or the caller's own word."""
    reason: str | None = None
    payload: Value = None
    returns_control: bool | None = None
    outcome: Literal["accepted", "refused", "failed"] | None = None


class Retrieval(Detail, frozen=True, kw_only=True, omit_defaults=True, tag="retrieval"):
    kind: ClassVar[Kind] = "retrieval"

    query: Value = None
    source: str | None = None
    """The index or collection."""
    top_k: int | None = None
    """How many were asked for."""
    filter: Value = None
    documents: tuple[Document, ...] = ()
    output: Value = None


class Memory(Detail, frozen=True, kw_only=True, omit_defaults=True, tag="memory"):
    """Memory access that does I/O; in process it is the point event ``MemoryAccess``."""

    kind: ClassVar[Kind] = "memory"

    operation: str | None = None
    """``read``, ``write``, ``search``, ``delete``, ..."""
    store: str | None = None
    """Its class or name."""
    keys: tuple[str, ...] = ()
    query: Value = None
    input: Value = None
    output: Value = None
    hit: bool | None = None
    """Whether anything was found."""


class Guardrail(Detail, frozen=True, kw_only=True, omit_defaults=True, tag="guardrail"):
    """A check of content. Moderation endpoints are guardrails."""

    kind: ClassVar[Kind] = "guardrail"

    provider: str | None = None
    model: str | None = None
    response_id: str | None = None
    server_address: str | None = None
    provider_request_id: str | None = None
    http_status: int | None = None
    input: Value = None
    output: Value = None
    triggered: bool | None = None
    """Whether it found something."""
    categories: tuple[str, ...] = ()
    """Those that it found."""
    scores: Mapping[str, float] = {}
    """By category."""
    action: str | None = None
    """What was done about it."""
    usage: Usage | None = None


class Evaluation(Detail, frozen=True, kw_only=True, omit_defaults=True, tag="evaluation"):
    """A run of an evaluator; its scores are ``Score`` events of the same span."""

    kind: ClassVar[Kind] = "evaluation"

    evaluator: str | None = None
    input: Value = None
    output: Value = None


class Plan(Detail, frozen=True, kw_only=True, omit_defaults=True, tag="plan"):
    kind: ClassVar[Kind] = "plan"

    agent: str | None = None
    input: Value = None
    output: Value = None
    steps: tuple[str, ...] = ()


class McpCall(Detail, frozen=True, kw_only=True, omit_defaults=True, tag="mcp"):
    """One request of the Model Context Protocol, on the client's or the server's side."""

    kind: ClassVar[Kind] = "mcp"

    method: str | None = None
    side: Literal["client", "server"] | None = None
    server: str | None = None
    tool: str | None = None
    mcp_session_id: str | None = None
    request_id: str | None = None
    protocol_version: str | None = None
    transport: str | None = None
    input: Value = None
    output: Value = None
    is_error: bool = False


AnyDetail: TypeAlias = (
    Workflow | Agent | LLMCall | Tool | Handoff | Retrieval | Rerank | Embedding
    | Memory | Guardrail | Evaluation | Plan | McpCall | Task
)  # fmt: skip

DETAILS: Mapping[Kind, type[AnyDetail]] = {
    "workflow": Workflow, "agent": Agent, "llm": LLMCall, "tool": Tool, "handoff": Handoff,
    "retrieval": Retrieval, "rerank": Rerank, "embedding": Embedding, "memory": Memory,
    "guardrail": Guardrail, "evaluation": Evaluation, "plan": Plan, "mcp": McpCall, "task": Task,
}  # fmt: skip


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """Something that happened at one moment inside a span."""

    time_ns: int


class Custom(Event, frozen=True, kw_only=True, omit_defaults=True, tag="custom"):
    """The program's own event."""

    name: str
    attributes: Mapping[str, Value] = {}


class StateTransition(Event, frozen=True, kw_only=True, omit_defaults=True, tag="state_transition"):
    """A node of a graph changed the state: which keys, and what is next."""

    node: str | None = None
    changed: tuple[str, ...] = ()
    goto: tuple[str, ...] = ()
    update: Value = None


class MemoryAccess(Event, frozen=True, kw_only=True, omit_defaults=True, tag="memory_access"):
    operation: Literal["read", "write", "delete", "search"]
    store: str | None = None
    keys: tuple[str, ...] = ()
    hit: bool | None = None
    value: Value = None


class Score(Event, frozen=True, kw_only=True, omit_defaults=True, tag="score"):
    """A judgement. Without a target it is about the span that carries it."""

    name: str
    value: float | bool | str
    comment: str | None = None
    source: Literal["code", "user", "model"] | None = None
    target_span_id: str | None = None
    target_trace_id: str | None = None
    target_session_id: str | None = None


class LogEvent(Event, frozen=True, kw_only=True, omit_defaults=True, tag="log"):
    level: str
    message: str
    logger: str | None = None
    attributes: Mapping[str, Value] = {}


class RetryEvent(Event, frozen=True, kw_only=True, omit_defaults=True, tag="retry"):
    attempt: int
    reason: str
    delay_s: float | None = None


class Decision(Event, frozen=True, kw_only=True, omit_defaults=True, tag="decision"):
    """Somebody decided, as when a person approves a tool call."""

    about: str
    outcome: str
    by: str | None = None
    reason: str | None = None


class ErrorEvent(Event, frozen=True, kw_only=True, omit_defaults=True, tag="error"):
    """An error that did not end the span."""

    error: "Error"


AnyEvent: TypeAlias = (
    Custom | StateTransition | MemoryAccess | Score | LogEvent | RetryEvent | Decision | ErrorEvent
)


class Error(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a span failed. ``type`` is the closed list; class and code are the library's own."""

    type: ErrorType
    message: str
    """Of the exception."""
    class_name: str | None = None
    """Of the exception, with its module."""
    code: str | None = None
    """The provider's own."""
    stack: tuple[str, ...] = ()
    """Innermost call last: ``file:line in function``."""


class Link(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """This span has to do with that one without being its child."""

    trace_id: int
    span_id: int
    reason: str | None = None
    """``handoff``, ``resume``, ``score``, ..."""


class Session(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A conversation over any number of traces. ``source`` says who named it."""

    id: str
    source: SessionSource = "explicit"


class Resource(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who recorded: the same for all spans of a process."""

    service: str | None = None
    service_namespace: str | None = None
    service_version: str | None = None
    service_instance: str | None = None
    environment: str | None = None
    release: str | None = None
    host: str | None = None
    pid: int | None = None
    command: str | None = None
    runtime: str | None = None
    sdk: str | None = None


class Redaction(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was taken out of which field."""

    field: str
    """A path such as ``detail.input[0].parts[0].text``."""
    kind: str
    """``email``, ``card``, ``secret``, ..., ``content`` (policy) or ``withheld`` (a redactor failed)."""
    count: int = 1
    action: Literal["redact", "hash", "mask", "drop", "encrypt", "custom"] = "redact"
    """What was done: a placeholder in its place, or something else. ``custom`` is a function of the user's."""
    key_id: str | None = None
    """Of the key that it was hashed or encrypted with."""


class Blob(Struct, frozen=True, kw_only=True):
    """Binary content that a ``Media`` part of the same span names by its hash."""

    sha256: str
    data: bytes
    mime_type: str | None = None


class Span(Struct, frozen=True, kw_only=True):
    """One unit of work. ``detail`` says which kind; there is no second tag for it."""

    trace_id: int
    """128 bits; in the record 32 lower-case hex digits, ``f"{trace_id:032x}"``."""
    span_id: int
    """64 bits; in the record 16 lower-case hex digits, ``f"{span_id:016x}"``."""
    parent_id: int | None = None
    """The ``span_id`` of the span above, as number and as hex; ``None`` for the root of a trace."""
    name: str
    """What was done, such as ``chat gpt-4o-mini``."""
    detail: AnyDetail
    """Its facts, in the class of its kind; ``span.kind`` is ``span.detail.kind``."""
    integration: str
    """Who recorded it: ``manual``, ``openai``, ..."""
    start_ns: int
    """Nanoseconds since the Unix epoch; in the record ``start``, RFC 3339 in UTC."""
    end_ns: int | None = None
    """Likewise; ``duration_ns`` is the difference. ``None`` while the span is pending; never before ``start_ns``."""
    status: Status = "ok"
    """``pending``: still open; only backends with ``wants_pending`` see it."""
    error: Error | None = None
    """What went wrong, where ``status`` is ``error`` or ``timeout``."""
    ended_by: str | None = None
    """Control flow that ended it without being an error: ``interrupt``, ``GeneratorExit``, ..."""
    complete: bool = True
    """False: the caller stopped reading before the end, and the facts stop there too."""
    session: Session | None = None
    """The conversation that it belongs to."""
    user_id: str | None = None
    """As given to ``spanloom.context``, by default hashed."""
    user_tier: str | None = None
    """Such as ``free`` or ``pro``, as given."""
    feature: str | None = None
    """The part of the program, as given."""
    budgets: tuple[str, ...] = ()
    """Names of the budgets in whose blocks it began."""
    request_id: str | None = None
    """Of the program's own request, such as that of a web server."""
    tags: tuple[str, ...] = ()
    """As given to ``spanloom.context``."""
    attributes: Mapping[str, Value] = {}
    """Of this span alone: what the program added, and what an integration has no field for."""
    metadata: Mapping[str, Value] = {}
    """What the program said with ``spanloom.context`` around this span."""
    events: tuple[AnyEvent, ...] = ()
    """In order of time."""
    links: tuple[Link, ...] = ()
    """Spans that it has to do with, in this trace or another."""
    trace_state: str | None = None
    """W3C ``tracestate`` of the caller, passed on as it came."""
    resource: Resource = field(default_factory=Resource)
    """Who recorded it."""
    redactions: tuple[Redaction, ...] = ()
    """What was taken out, and where."""
    truncated: tuple[str, ...] = ()
    """Paths of the values that were cut."""
    faults: tuple[str, ...] = ()
    """What we could not do for this span, such as a failing extractor."""
    blobs: tuple[Blob, ...] = ()
    """The bytes of its images, audio and files, by hash; the record stores them beside the lines."""

    @property
    def kind(self) -> Kind:
        return self.detail.kind

    @property
    def duration_ns(self) -> int | None:
        return None if self.end_ns is None else self.end_ns - self.start_ns
