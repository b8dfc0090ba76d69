"""Natural ids of events: kind|symbol|..., equal for equal facts in every run."""

from __future__ import annotations


def derived_bar_id(symbol: str, interval: str, start_ms: int) -> str:
    """Id of a derived bar by its window's start."""
    return f"derived_bar|{symbol}|{interval}|{start_ms}"


def session_id(symbol: str, session: str) -> str:
    """Id of a trading session by its ISO date."""
    return f"session|{symbol}|{session}"


def quality_id(symbol: str, interval: str, session: str) -> str:
    """Id of the quality fact of one session."""
    return f"quality|{symbol}|{interval}|{session}"


def gap_id(symbol: str, interval: str, start_ms: int) -> str:
    """Id of a gap by the start of its first missing slot."""
    return f"gap|{symbol}|{interval}|{start_ms}"


def range_id(symbol: str, kind: str, name: str) -> str:
    """Id of a session range."""
    return f"range|{symbol}|{kind}|{name}"


def touch_id(symbol: str, kind: str, name: str, event: str) -> str:
    """Id of a touch or of an expiry (`event` = ``expired``)."""
    return f"touch|{symbol}|{kind}|{name}|{event}"


def pair_id(group: str, kind: str, name: str, level: str, event: str) -> str:
    """Id of a pair row."""
    return f"pair|{group}|{kind}|{name}|{level}|{event}"


def swing_id(symbol: str, start_ms: int, side: str) -> str:
    """Id of a swing by its bar and side."""
    return f"swing|{symbol}|{start_ms}|{side}"


def reject_id(source: str) -> str:
    """Id of a dead letter by the place the record came from."""
    return f"reject|{source}"
