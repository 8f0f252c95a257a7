"""Token counts and money of a reply, in every shape that OpenAI and compatible servers send.

Sources: API references of OpenAI (chat, responses, images, audio), DeepSeek, Groq, Mistral,
Moonshot, OpenRouter, Perplexity and xAI; recorded traffic. A count nobody gave is ``None``.
"""

from typing import Any

from spanloom.types import Cost, Usage

from .values import Raw, mapping, number, words

_XAI_TICKS_PER_USD = 1e10


# names on the wire to ours; in a reply only some of them stand, so the reply is what is walked
_TOP = {
    "prompt_tokens": "input", "input_tokens": "input", "completion_tokens": "output",
    "output_tokens": "output", "total_tokens": "total", "prompt_cache_hit_tokens": "cached",
    "cached_tokens": "cached", "num_cached_tokens": "cached", "cache_read_input_tokens": "cached",
    "cache_creation_input_tokens": "cache_write", "reasoning_tokens": "reasoning",
}  # fmt: skip
_INPUTS = {
    "cached_tokens": "cached", "cache_write_tokens": "cache_write",
    "cache_creation_tokens": "cache_write", "text_tokens": "input_text",
    "audio_tokens": "input_audio", "image_tokens": "input_image",
}  # fmt: skip
_OUTPUTS = {
    "reasoning_tokens": "reasoning", "text_tokens": "output_text", "audio_tokens": "output_audio",
    "image_tokens": "output_image", "accepted_prediction_tokens": "accepted_prediction",
    "rejected_prediction_tokens": "rejected_prediction",
}  # fmt: skip


def usage(raw: Any) -> Usage | None:
    """``raw`` is the ``usage`` object of a reply; chat's and responses' names are both known."""
    if not isinstance(raw, dict):
        return None
    counts: dict[str, int] = {}
    # the details first: where the same count stands at the top too, they are the finer word
    _count(
        counts,
        _details(raw, "prompt_tokens_details", "input_tokens_details", "input_token_details"),
        _INPUTS,
    )
    _count(
        counts,
        _details(raw, "completion_tokens_details", "output_tokens_details", "output_token_details"),
        _OUTPUTS,
    )
    _count(counts, raw, _TOP)
    _include_parts(counts)
    seconds = number(raw, "seconds")
    if seconds is not None and seconds < 0:
        seconds = None
    if not counts and seconds is None:
        return None
    return Usage(**counts, audio_s=seconds)


def _count(counts: dict[str, int], raw: Raw, names: dict[str, str]) -> None:
    for key, value in raw.items():
        name = names.get(key)
        if name is None or name in counts:
            continue
        if type(value) is not int:
            if type(value) is not float or not value.is_integer():
                continue
            value = int(value)
        if value >= 0:
            counts[name] = value


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
    ticks = _money(raw, "cost_in_usd_ticks") if "cost_in_usd_ticks" in raw else None
    return None if ticks is None else Cost(total_usd=ticks / _XAI_TICKS_PER_USD, source="provider")


def _money(raw: Raw, key: str) -> float | None:
    value = number(raw, key)
    if value is None and (said := words(raw, key)):
        try:
            value = float(said)
        except ValueError:
            return None
    return value if value is not None and 0 <= value < float("inf") else None
