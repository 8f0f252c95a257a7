"""From the usage of one call and the rates of its model to money."""

from collections.abc import Mapping
from decimal import Decimal

from ..types import Cost, LLMCall, ModelCall, Rerank, Usage
from .table import MINUTE_NS, PER, PER_TOKENS, Asked, Prices, Rate, Rates, Unit

ZERO = Decimal(0)

_COMPONENT: Mapping[Unit, str] = {
    "cache_write_1h": "cache_write", "audio_hour": "input_audio", "request": "requests",
    "search": "searches",
}  # fmt: skip
"""Units whose money is told together with others' or under a name of its own."""

_INSTEAD: Mapping[Unit, Unit] = {
    "cached": "input", "cache_write": "input", "cache_write_1h": "cache_write",
    "reasoning": "output", "input_image": "input", "cached_image": "cached",
    "output_image": "output",
}  # fmt: skip
"""Whose rate counts where a model has none of its own for a part. Audio never costs what text does."""


def price(call: ModelCall, start_ns: int, prices: Prices) -> Cost:
    """What ``call`` cost; without ``total_usd`` and with a reason where nobody can know."""
    if call.cache is not None and call.cache.hit and call.cache.kind == "response":
        return Cost(total_usd=0.0, reason="answered from a cache")
    usage = call.usage
    if usage is None and not isinstance(call, Rerank):
        return Cost(reason="no usage is known")
    names = [name for name in (call.response_model, call.model) if name]
    if not names:
        return Cost(reason="no model is known")
    asked, minute = _asked(call), start_ns // MINUTE_NS
    for name in names:
        if (known := prices.rates(call.provider, name, asked, minute)) is not None:
            break
    else:
        return Cost(reason=f"no price is known for {names[0]} of {call.provider or 'no provider'}")
    (table, provider, model, assumed), rates = known
    counts = parts(usage or Usage(), rates)
    if "request" in rates:
        counts["request"] = 1
    components: dict[str, Decimal] = {}
    for unit, count in counts.items():
        rate = rates.get(unit)
        if rate is None and (rate := _instead(rates, unit)) is None:
            return Cost(reason=f"{model.id} has no price for {unit}", prices_date=table.date)
        usd = rate if isinstance(rate, Decimal) else rate.at((usage and usage.input) or 0)
        name = _COMPONENT.get(unit, unit)
        amount = usd * (count if type(count) is int else Decimal(str(count)))
        amount /= PER.get(unit, PER_TOKENS)
        components[name] = components[name] + amount if name in components else amount
    if not components and (usage is None or (usage.input is None and usage.output is None)):
        return Cost(reason="the usage tells of no tokens", prices_date=table.date)
    return Cost(
        total_usd=float(sum(components.values(), ZERO)),
        components_usd={name: float(usd) for name, usd in components.items()},
        source="own_prices" if table.source == OWN else "prices",
        reason=f"at the rates of {provider}: who answered is not known" if assumed else None,
        prices_date=table.date,
    )


OWN = "own"
"""The source of tables that the user wrote."""


def _asked(call: ModelCall) -> Asked:
    tier = call.service_tier if isinstance(call, LLMCall) else None
    if not tier:
        return ()
    return (("processing", "batch"),) if tier == "batch" else (("service_tier", tier),)


def _instead(rates: Rates, unit: Unit) -> Rate | None:
    """The rate for a unit that has none of its own."""
    wanted = _INSTEAD.get(unit)
    while wanted is not None and wanted not in rates:
        wanted = _INSTEAD.get(wanted)
    return None if wanted is None else rates[wanted]


def parts(usage: Usage, rates: Rates) -> dict[Unit, int | float]:
    """The usage in parts that do not overlap. A part without a rate of its own stays in its whole."""
    counts: dict[Unit, int | float] = {}

    def take(unit: Unit, count: int | None, *, always: bool = False) -> int:
        """Of what is left of a whole."""
        if not count or count < 0 or not (always or unit in rates):
            return 0
        counts[unit] = count
        return count

    if usage.input is not None:
        left = usage.input
        audio = image = 0
        if usage.cache_write or usage.cache_write_1h:
            hour = take("cache_write_1h", usage.cache_write_1h)
            left -= hour + take("cache_write", (usage.cache_write or 0) - hour, always=True)
        if usage.cached or usage.cached_audio or usage.cached_image:
            audio = take("cached_audio", usage.cached_audio)
            image = take("cached_image", usage.cached_image)
            left -= take("cached", (usage.cached or 0) - audio - image, always=True) + audio + image
        if usage.input_audio or usage.input_image:
            left -= take("input_audio", (usage.input_audio or 0) - audio, always=True)
            left -= take("input_image", (usage.input_image or 0) - image)
        if left > 0:
            counts["input"] = left
    if usage.output is not None:
        left = usage.output
        left -= take("reasoning", usage.reasoning, always=True)
        left -= take("output_audio", usage.output_audio, always=True)
        left -= take("output_image", usage.output_image)
        if left > 0:
            counts["output"] = left
    if usage.audio_s is not None and "audio_hour" in rates:
        counts = {"audio_hour": usage.audio_s / 3600}
    if usage.searches and "search" in rates:
        counts["search"] = usage.searches
    return counts


def said(call: ModelCall) -> bool:
    """Whether somebody nearer to the money, its provider or a gateway, has said what it cost."""
    return call.cost is not None and call.cost.total_usd is not None
