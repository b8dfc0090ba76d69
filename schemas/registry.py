"""All types of events, one row a type: whatever is derived from a list of types reads it here.

A new type is a struct in `schemas.events`, a row in the module of its rule in `schemas.event_rows`,
and its rule. Types of feeds and of hosts of strategies have modules of structs of their own.
"""

from __future__ import annotations

from tapeline.schemas.event_rows import (
    accounts,
    bars,
    feeds,
    indicators,
    ranges,
    rejects,
    sessions,
    signals,
    strategies,
    swings,
    windows,
)
from tapeline.schemas.event_types import Registry

EVENTS = Registry(
    (
        *bars.ROWS,
        *sessions.ROWS,
        *indicators.ROWS,
        *windows.ROWS,
        *ranges.ROWS,
        *swings.ROWS,
        *rejects.ROWS,
        *feeds.ROWS,
        *signals.ROWS,
        *accounts.ROWS,
        *strategies.ROWS,
    )
)
"""The types of events of this version."""
