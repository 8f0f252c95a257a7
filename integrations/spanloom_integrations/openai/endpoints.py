"""Which requests of the SDK are recorded, and how each is read.

The hook sees every request of every resource; a URL that is not in this table is none of ours
(files, batches, polling, models, lists of items).
"""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from spanloom.types import Embedding, Guardrail, LLMCall

from . import chat, media, responses, small
from .call import Facts
from .responses_tap import ResponsesTap
from .sse import Tap
from .values import Raw, plain, words

Parser: TypeAlias = Callable[[Raw, Raw | None, Facts], LLMCall | Embedding | Guardrail]
TapFactory: TypeAlias = Callable[[Raw | None], Tap]


def reply_of(value: Any) -> dict[str, Any] | None:
    """What the SDK returned, in the shape of the wire; a text (subtitles) is its own field."""
    if isinstance(value, str):
        return {"text": value}
    found = plain(value)
    return found if isinstance(found, dict) else None


class Endpoint(Struct, frozen=True, kw_only=True):
    """How one kind of request is recorded. ``parse`` is for the worker, and pure."""

    name: str
    kind: Literal["llm", "embedding", "guardrail"] = "llm"
    operation: str
    parse: Parser
    tap: TapFactory | None = None
    """``None``: it does not stream events."""
    reply: Callable[[Any], dict[str, Any] | None] = reply_of
    """The SDK's object to the dict that ``parse`` takes; for the worker."""

    def span_name(self, body: Raw) -> str:
        model = words(body, "model")
        return f"{self.operation} {model}" if model else self.operation


CHAT = Endpoint(name="chat", operation="chat", parse=chat.parse, tap=chat.ChatTap)
RESPONSES = Endpoint(name="responses", operation="chat", parse=responses.parse, tap=ResponsesTap)
COMPACT = Endpoint(
    name="responses.compact", operation="compact", parse=responses.parse_compact, tap=ResponsesTap
)
FETCH = Endpoint(
    name="responses.retrieve",
    operation="fetch_response",
    parse=responses.parse_fetch,
    tap=ResponsesTap,
)
COMPLETIONS = Endpoint(
    name="completions",
    operation="text_completion",
    parse=small.parse_completion,
    tap=small.CompletionTap,
)
EMBEDDINGS = Endpoint(
    name="embeddings", kind="embedding", operation="embeddings", parse=small.parse_embedding,
    reply=small.embedding_reply,
)  # fmt: skip
MODERATIONS = Endpoint(
    name="moderations", kind="guardrail", operation="moderation", parse=small.parse_moderation
)
IMAGES = Endpoint(
    name="images.generate",
    operation="image_generation",
    parse=media.parse_image,
    tap=media.ImageTap,
)
IMAGE_EDITS = Endpoint(
    name="images.edit", operation="image_edit", parse=media.parse_image_edit, tap=media.ImageTap
)
IMAGE_VARIATIONS = Endpoint(
    name="images.variation", operation="image_variation", parse=media.parse_image_variation
)
TRANSCRIPTIONS = Endpoint(
    name="audio.transcriptions", operation="transcription", parse=media.parse_transcription,
    tap=media.TranscriptTap,
)  # fmt: skip
TRANSLATIONS = Endpoint(
    name="audio.translations", operation="translation", parse=media.parse_translation
)
SPEECH = Endpoint(
    name="audio.speech", operation="speech", parse=media.parse_speech, tap=media.SpeechTap
)

POSTS = {
    "/chat/completions": CHAT,
    "/responses": RESPONSES,
    "/responses/compact": COMPACT,
    "/completions": COMPLETIONS,
    "/embeddings": EMBEDDINGS,
    "/moderations": MODERATIONS,
    "/images/generations": IMAGES,
    "/images/edits": IMAGE_EDITS,
    "/images/variations": IMAGE_VARIATIONS,
    "/audio/transcriptions": TRANSCRIPTIONS,
    "/audio/translations": TRANSLATIONS,
    "/audio/speech": SPEECH,
}


def find(method: str, url: str, stream: bool = False) -> Endpoint | None:
    """The endpoint of ``options.method`` and ``options.url``, before the client puts its base to it.

    Called for each request on the user's thread: one look-up for what is usual.
    """
    if method == "post" or method.lower() == "post":
        known = POSTS.get(url)
        if known is not None:
            return known
        path = _path(url)  # the beta resources say ?beta=true
        known = POSTS.get(path)
        if known is None and ("://" in url or "/deployments/" in url):
            # the caller's own client.post with a whole address
            tail = path.rsplit("/", 2)
            known = POSTS.get("/" + "/".join(tail[-2:])) or POSTS.get("/" + tail[-1])
        return known
    if stream and method.lower() == "get":
        path = _path(url)
        # a reply is fetched again as a stream; polling for its state is not worth a span
        if path.startswith("/responses/") and path.count("/") == 2:
            return FETCH
    return None


def response_id(url: str) -> str | None:
    """The id that a fetch names."""
    return _path(url).rpartition("/")[2] or None


def _path(url: str) -> str:
    path = url.partition("?")[0].rstrip("/")
    return path if path.startswith("/") or "://" in path else "/" + path
