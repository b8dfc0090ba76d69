"""Settings that differ from those of a state in additions alone.

Indicators, historical windows and more derived intervals change nothing of what was published but
what they add or take away themselves: a store runs its bars again and publishes the difference,
where it is refused for any other change of settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tapeline.schemas.config.indicator_sets import IndicatorSet, SetPart
from tapeline.schemas.config.model import Config, DerivedConfig
from tapeline.schemas.windows import WindowSpec
from tapeline.streams.pipeline.differences import ADDED, INDICATORS, WINDOWS


def config_of(config: Config, then: Mapping[str, Any], now: Mapping[str, Any]) -> Config | None:
    """The configuration that a state of a group was made with.

    Parameters
    ----------
    config
        That of now.
    then, now
        Parts of the identity of the group, of its state and of now, over the same dates.

    Returns
    -------
    Config | None
        None where they differ in more than additions.
    """
    if _rest(then) != _rest(now):
        return None
    derived = msgspec.convert(then["derived"], DerivedConfig)
    if not set(derived.intervals) <= set(now["derived"]["intervals"]):
        return None
    earlier = msgspec.structs.replace(config, derived=derived, windows=_windows(then))
    return _with_indicators(earlier, then)


def _rest(parts: Mapping[str, Any]) -> bytes:
    """All but the additions, as canonical JSON."""
    rest = {key: value for key, value in parts.items() if key not in ADDED}
    rest["trackers"] = {
        name: version for name, version in parts["trackers"].items() if name not in ADDED
    }
    rest["derived"] = {key: value for key, value in parts["derived"].items() if key != "intervals"}
    return msgspec.json.encode(rest, order="sorted")


def _windows(parts: Mapping[str, Any]) -> dict[str, WindowSpec]:
    """Windows of the symbols of a group, each with those that have it."""
    symbols: dict[str, list[str]] = {}
    settings: dict[str, Any] = {}
    for symbol, windows in parts.get(WINDOWS, {}).items():
        for name, found in windows.items():
            symbols.setdefault(name, []).append(symbol)
            settings[name] = found
    return {
        name: msgspec.convert({**settings[name], "symbols": symbols[name]}, WindowSpec)
        for name in settings
    }


def _with_indicators(config: Config, parts: Mapping[str, Any]) -> Config:
    """The configuration with the indicators of a group: a set for each symbol and interval."""
    sets: dict[str, IndicatorSet] = {}
    instruments = dict(config.instruments)
    for symbol in parts["members"]:
        instrument = config.instrument(symbol)
        assert instrument is not None, "the members of a group are configured"
        names = []
        for interval, found in parts.get(INDICATORS, {}).get(symbol, {}).items():
            names.append(f"{symbol} {interval}")
            sets[names[-1]] = IndicatorSet(
                parts=(SetPart(tuple(found["keys"].values()), (interval,)),),
                publish=found["publish"],
                on_incomplete=found["on_incomplete"],
            )
        instruments[symbol] = msgspec.structs.replace(instrument, indicators=tuple(names))
    return msgspec.structs.replace(
        config, instruments=instruments, indicators={**config.indicators, **sets}
    )
