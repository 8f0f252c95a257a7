"""Who answers: told by the client's class and the host it talks to.

Every compatible server is reached through the same SDK classes, so "openai" is never assumed.
Names are the well-known values of the GenAI conventions where there is one.
"""

from functools import lru_cache
from typing import Any

from msgspec import Struct

COMPATIBLE = "openai_compatible"
_CLASSES = {
    "AzureOpenAI": "azure.ai.openai",
    "AsyncAzureOpenAI": "azure.ai.openai",
    "BedrockOpenAI": "aws.bedrock",
    "AsyncBedrockOpenAI": "aws.bedrock",
}
_HOSTS = (
    ("openai.com", "openai"),
    ("openai.azure.com", "azure.ai.openai"),
    ("openai.azure.us", "azure.ai.openai"),
    ("openai.azure.cn", "azure.ai.openai"),
    ("cognitiveservices.azure.com", "azure.ai.openai"),
    ("services.ai.azure.com", "azure.ai.inference"),
    ("models.ai.azure.com", "azure.ai.inference"),
    ("inference.ai.azure.com", "azure.ai.inference"),
    ("deepseek.com", "deepseek"),
    ("x.ai", "x_ai"),
    ("groq.com", "groq"),
    ("mistral.ai", "mistral_ai"),
    ("perplexity.ai", "perplexity"),
    ("openrouter.ai", "openrouter"),
    ("together.xyz", "together_ai"),
    ("together.ai", "together_ai"),
    ("fireworks.ai", "fireworks_ai"),
    ("cerebras.ai", "cerebras"),
    ("moonshot.ai", "moonshot_ai"),
    ("moonshot.cn", "moonshot_ai"),
    ("nvidia.com", "nvidia"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
    ("anthropic.com", "anthropic"),
    ("cohere.com", "cohere"),
    ("cohere.ai", "cohere"),
    ("ollama.com", "ollama"),
)
_PORTS = {11434: "ollama"}


class Server(Struct, frozen=True):
    provider: str = COMPATIBLE
    address: str | None = None
    port: int | None = None


def base_url(client: Any) -> Any:
    """The address that a client talks to, an object that does not change.

    The SDK's property imports something at each look since 3.57; a subclass may have its own.
    """
    kind = type(client)
    if kind not in _sdks_own:
        definer = next((c for c in kind.__mro__ if "base_url" in vars(c)), kind)
        _sdks_own[kind] = definer.__module__.partition(".")[0] == "openai"
    known = getattr(client, "_base_url", None) if _sdks_own[kind] else None
    return client.base_url if known is None else known


_sdks_own: dict[type, bool] = {}
"""Of classes of clients, whether their ``base_url`` is the SDK's property."""


def server(client: type, base: Any) -> Server:
    """Of a client's class and its base URL. For the worker."""
    path = base.path
    return identify(_flavour(client), base.host, base.port, base.scheme, "/openai" in path)


@lru_cache(maxsize=256)
def identify(
    flavour: str | None,
    host: str,
    port: int | None = None,
    scheme: str = "https",
    openai_path: bool = False,
) -> Server:
    """``flavour``: what the client's class tells; ``openai_path``: the base URL names ``/openai``, which on a shared Azure host tells the API."""
    host = host.lower().rstrip(".")
    if port is None:
        port = 443 if scheme == "https" else 80 if scheme == "http" else None
    return Server(_provider(flavour, host, port, openai_path), host or None, port)


_flavours: dict[type, str | None] = {}


def _flavour(client: type) -> str | None:
    """Azure and Bedrock have classes of their own, also under a gateway's address."""
    if client not in _flavours:
        names = (c.__name__ for c in client.__mro__ if c.__module__.partition(".")[0] == "openai")
        _flavours[client] = next((_CLASSES[name] for name in names if name in _CLASSES), None)
    return _flavours[client]


def _provider(flavour: str | None, host: str, port: int | None, openai_path: bool) -> str:
    if flavour is not None:
        return flavour
    if host.endswith("services.ai.azure.com") and openai_path:
        return "azure.ai.openai"
    for known, name in _HOSTS:
        if host == known or host.endswith("." + known):
            return name
    if host.endswith(".amazonaws.com") and host.startswith(("bedrock", "bedrock-runtime")):
        return "aws.bedrock"
    if host.endswith("-aiplatform.googleapis.com"):
        return "gcp.vertex_ai"
    return _PORTS.get(port, COMPATIBLE) if port is not None else COMPATIBLE
