"""How long a provider wants us to stay away, by the status or close code that it sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tapeline.schemas.feed_events import Limit
from tapeline.schemas.ids import Held, held_by_limit
from tapeline.schemas.instants import DAY_MS, MINUTE_MS, SECOND_MS

BUSY: Final = 406
"""Too many connections, or logged in elsewhere."""
BANNED: Final = 418
TOO_MANY: Final = 429
POLICY: Final = 1008
TOO_BIG: Final = 1009
REFUSED: Final = frozenset({401, 402, 403})
"""Credentials or plan: no pause helps."""
OF_REQUESTS: Final[tuple[Held, ...]] = ("history", "requests")

PAUSE_MS: Final = MINUTE_MS
"""After 429 and 1008, where the provider names none."""
BAN_MS: Final = 2 * MINUTE_MS
"""After 418, where the provider names none."""
BUSY_MS: Final = 30 * SECOND_MS
"""At least, after 406: the provider must notice first that the old connection is gone."""
GREATEST_MS: Final = 7 * DAY_MS


def pause_of(status: int | None, asked_ms: int | None) -> int | None:
    """The pause before the next attempt; None: as the backoff decides.

    Parameters
    ----------
    asked_ms
        What the provider asked for, if it did.
    """
    if asked_ms is not None:
        asked_ms = min(max(asked_ms, 0), GREATEST_MS)
    if status == BUSY:
        return max(BUSY_MS, asked_ms or 0)
    if asked_ms is not None:
        return asked_ms
    if status == BANNED:
        return BAN_MS
    return PAUSE_MS if status in {TOO_MANY, POLICY} else None


def left_of(limits: Iterable[Limit], held: Held, wall_ms: int) -> int:
    """How long the pauses that earlier processes reported still hold something back.

    A ban is one of connections and requests alike, whichever of them it was the answer to.
    """
    left_ms = 0
    for limit in limits:
        if held_by_limit(limit.id) == held or limit.status == BANNED:
            left_ms = max(left_ms, min(limit.at_ms + limit.wait_ms - wall_ms, limit.wait_ms))
    return left_ms
