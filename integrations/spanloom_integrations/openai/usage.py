"""Token counts and money of a reply, in every shape that OpenAI and compatible servers send.

Sources: API references of OpenAI (chat, responses, images, audio), DeepSeek, Groq, Mistral,
Moonshot, OpenRouter, Perplexity and xAI; recorded traffic. A count nobody gave is ``None``.
"""

from typing import Any

from spanloom.types import Cost, Usage

from .values import Raw, mapping, number, words

_XAI_TICKS_PER_USD = 1e10


def usage(raw: Any) -> Usage | None:
    """``raw`` is the ``usage`` object of a reply; chat's and responses' names are both known."""
    if not isinstance(raw, dict):
        return None
    inputs = _details(raw, "prompt_tokens_details", "input_tokens_details", "input_token_details")
    outputs = _details(
        raw, "completion_tokens_details", "output_tokens_details", "output_token_details"
    )
    counts: dict[str, int] = {}

    def put(name: str, *values: Any) -> None:
        for value in values:
            if type(value) is float and value.is_integer():
                value = int(value)
            if type(value) is int and value >= 0:
                counts[name] = value
                return

    put("input", raw.get("prompt_tokens"), raw.get("input_tokens"))
    put("output", raw.get("completion_tokens"), raw.get("output_tokens"))
    put("total", raw.get("total_tokens"))
    put(
        "cached", inputs.get("cached_tokens"), raw.get("prompt_cache_hit_tokens"),
        raw.get("cached_tokens"), raw.get("num_cached_tokens"), raw.get("cache_read_input_tokens"),
    )  # fmt: skip
    put(
        "cache_write", inputs.get("cache_write_tokens"), inputs.get("cache_creation_tokens"),
        raw.get("cache_creation_input_tokens"),
    )  # fmt: skip
    put("reasoning", outputs.get("reasoning_tokens"), raw.get("reasoning_tokens"))
    if inputs:
        put("input_text", inputs.get("text_tokens"))
        put("input_audio", inputs.get("audio_tokens"))
        put("input_image", inputs.get("image_tokens"))
    if outputs:
        put("output_text", outputs.get("text_tokens"))
        put("output_audio", outputs.get("audio_tokens"))
        put("output_image", outputs.get("image_tokens"))
        put("accepted_prediction", outputs.get("accepted_prediction_tokens"))
        put("rejected_prediction", outputs.get("rejected_prediction_tokens"))
    _include_parts(counts)
    seconds = number(raw, "seconds")
    if seconds is not None and seconds < 0:
        seconds = None
    if not counts and seconds is None:
        return None
    return Usage(**counts, audio_s=seconds)


def _details(raw: Raw, *names: str) -> Raw:
    for name in names:
        if found := mapping(raw, name):
            return found
    return {}


def _include_parts(counts: dict[str, int]) -> None:
    """Make a whole include its parts, only where the figures themselves prove that it does not."""
    given, output = counts.get("input"), counts.get("output")
    cached, reasoning = counts.get("cached"), counts.get("reasoning")
    if given is not None and cached is not None and cached > given:
        counts["input"] = given + cached + counts.get("cache_write", 0)
    # xAI leaves reasoning out of the completion and in the total
    whole = None if output is None or given is None or not reasoning else output + reasoning
    if whole is not None and given is not None and counts.get("total") == given + whole:
        counts["output"] = whole


def cost(raw: Any) -> Cost | None:
    """What the server says the call cost, from its ``usage`` object; only some gateways do."""
    if not isinstance(raw, dict):
        return None
    said = raw.get("cost")
    if isinstance(said, dict):  # Perplexity
        parts = {
            name.removesuffix("_cost").removesuffix("_tokens"): value
            for name in said
            if name != "total_cost" and (value := _money(said, name)) is not None
        }
        total = _money(said, "total_cost")
        if total is None:
            return None
        return Cost(total_usd=total, components_usd=parts, source="provider")
    if said is not None:  # OpenRouter and gateways like it
        total = _money(raw, "cost")
        if total is None:
            return None
        upstream = _money(mapping(raw, "cost_details"), "upstream_inference_cost")
        if raw.get("is_byok") is True and upstream is not None:
            # with the user's own key the gateway charges its fee, and the model's provider the rest
            fee = {"gateway": total, "upstream": upstream}
            return Cost(total_usd=total + upstream, components_usd=fee, source="gateway")
        return Cost(total_usd=total, source="gateway")
    ticks = _money(raw, "cost_in_usd_ticks")
    return None if ticks is None else Cost(total_usd=ticks / _XAI_TICKS_PER_USD, source="provider")


def _money(raw: Raw, key: str) -> float | None:
    value = number(raw, key)
    if value is None and (said := words(raw, key)):
        try:
            value = float(said)
        except ValueError:
            return None
    return value if value is not None and 0 <= value < float("inf") else None
