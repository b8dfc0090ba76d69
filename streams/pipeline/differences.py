"""What the identities of two settings do not agree in, in words: key, then, now."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

INDICATORS: Final = "indicators"
WINDOWS: Final = "windows"
"""Names of parts of an identity, and of the trackers that have their settings there."""
ADDED: Final = (INDICATORS, WINDOWS)
"""Parts that are there only where a group has what they are settings of."""
MOST_SHOWN: Final = 3


class SettingDifferences(Struct, frozen=True):
    """What the parts of two identities do not agree in, a text each.

    Attributes
    ----------
    added
        Indicators, windows, and derived intervals that only the later one has: a store takes them
        over where nothing else differs.
    others
        All else.
    """

    added: list[str]
    others: list[str]


def refusal(group: str, found: list[str]) -> str:
    """A state was made with other settings: the first differences, and how many more there are."""
    more = len(found) - MOST_SHOWN
    shown = "; ".join(found[:MOST_SHOWN]) + (f"; and {more} more" if more > 0 else "")
    return f"the state of group {group} was made with other settings: {shown}"


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> SettingDifferences:
    """What the parts of two identities do not agree in."""
    added: list[str] = []
    others: list[str] = []
    for key in {**then, **now}:
        if key in ADDED:
            old, new = then.get(key, {}), now.get(key, {})
            for symbol in sorted({*old, *new}):
                below = f"{key}.{symbol}"
                added += _setting_differences(below, old.get(symbol, {}), new.get(symbol, {}))
        elif key == "trackers":
            others += _setting_differences(key, *_lasting(then[key], now[key]))
        elif key == "derived":
            more = set(then[key]["intervals"]) < set(now[key]["intervals"])
            for name in sorted({*then[key], *now[key]}):
                found = added if more and name == "intervals" else others
                found += _setting_differences(
                    f"{key}.{name}", then[key].get(name), now[key].get(name)
                )
        elif key not in ("calendars", "zones", "first", "last", "rows_from"):
            others += _setting_differences(key, then.get(key), now.get(key))
    return SettingDifferences(added, [*others, *schedule_differences(then, now)])


def _lasting(old: dict[str, int], new: dict[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    """Versions of trackers without those that only one has for its settings, which are named."""
    gone = [name for name in ADDED if (name in old) != (name in new)]
    return (
        {name: version for name, version in old.items() if name not in gone},
        {name: version for name, version in new.items() if name not in gone},
    )


def schedule_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """SettingDifferences of the calendars and zones that both have."""
    for name, old, new in _both(then, now, "calendars"):
        if isinstance(old, str) or isinstance(new, str):
            continue
        for month, was, is_now in _changed(old["months"], new["months"]):
            yield (
                f"calendar {name}, month {month}: then sessions of digest {_text(was)}, now"
                f" {_text(is_now)} (so far back only a digest is kept)"
            )
        for day, was, is_now in _changed(old["sessions"], new["sessions"]):
            then_text, now_text = was or "no session", is_now or "no session"
            yield f"calendar {name}, session {day}: then {then_text}, now {now_text}"
    for name, old, new in _both(then, now, "zones"):
        for instant, was, is_now in _changed(old, new):
            then_text, now_text = was or "no change", is_now or "no change"
            yield f"time zone {name}, {instant}: then {then_text}, now {now_text}"


def _setting_differences(key: str, old: Any, new: Any) -> Iterator[str]:
    if key.startswith(INDICATORS) and isinstance(new if old is None else old, dict):
        # Down to the keys that are new or gone.
        old, new = old or {}, new or {}
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted({*old, *new}):
            yield from _setting_differences(f"{key}.{name}", old.get(name), new.get(name))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and old:
        if isinstance(old[0], dict):
            for number, pair in enumerate(zip(old, new, strict=True)):
                yield from _setting_differences(f"{key}[{number}]", *pair)
        elif old != new:
            yield f"{key}: then {_text(old)}, now {_text(new)}"
    elif old != new:
        yield f"{key}: then {_text(old)}, now {_text(new)}"


def _both(
    then: Mapping[str, Any], now: Mapping[str, Any], part: str
) -> Iterator[tuple[str, Any, Any]]:
    old, new = then.get(part) or {}, now.get(part) or {}
    for name in sorted(old.keys() & new.keys()):
        yield name, old[name], new[name]


def _changed(
    old: Mapping[str, str], new: Mapping[str, str]
) -> Iterator[tuple[str, str | None, str | None]]:
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            yield key, old.get(key), new.get(key)


def _text(value: Any) -> str:
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
