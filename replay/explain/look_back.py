"""How far back the values of a row of indicators look."""

from __future__ import annotations

from collections.abc import Sequence

from tapeline.schemas.indicators.counts import BY_EVENTS, first_count, warm_count
from tapeline.schemas.indicators.sets import followed
from tapeline.schemas.indicators.specification import Specification
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.plan import PlannedIndicators


def look_back_ms(
    planned: PlannedIndicators, calendar: Calendar, starts: Sequence[int], start_ms: int
) -> int:
    """Label of the first bar that may show in the row of a bar.

    Of recursive indicators these are all bars until they have forgotten a change to the last bit.

    Parameters
    ----------
    starts
        Starts of the bars of the interval up to that one, ascending.
    """
    earliest = start_ms
    by_stem = {each.stem: each for each in planned.specifications}
    for each in planned.specifications:
        bars = _bars(each, by_stem)
        if bars == BY_EVENTS:
            found = _since(each, calendar, starts, start_ms)
        else:
            found = starts[max(0, len(starts) - bars)]
        earliest = min(earliest, found)
    return earliest


def _bars(made: Specification, by_stem: dict[str, Specification]) -> int:
    """Bars of a specification and of all that it follows."""
    bars = max(first_count(made), warm_count(made))
    if warm_count(made) == BY_EVENTS:
        return BY_EVENTS
    if made.of:
        inner = _bars(followed(made, by_stem)[0], by_stem)
        return BY_EVENTS if inner == BY_EVENTS else bars + inner - 1
    return bars


def _since(made: Specification, calendar: Calendar, starts: Sequence[int], start_ms: int) -> int:
    """Where something begins that no number of bars decides."""
    sessions = {"pivot_points": 1, "rvol": made.whole("n") if made.name == "rvol" else 0}
    if made.name not in sessions and "session" not in made.arguments:
        return starts[0]
    index = calendar.session_of(start_ms) - sessions.get(made.name, 0)
    opened = calendar.open_ms(index) if calendar.has_session(index) else starts[0]
    # Of those sessions the bars that are there; the latest one before may lie farther back.
    return max(opened, starts[0])
