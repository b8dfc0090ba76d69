"""Records of the log in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

LAST_MS = 253_402_300_799_000
"""9999-12-31 23:59:59: what can be shown as a date."""


def record_text(record: dict[str, Any]) -> str:
    """A log record in words."""
    if record["type"] == "clock":
        return f"{record['symbol']} clock {instant_text(record['time_ms'])}"
    head = f"{record['symbol']} {record['interval']} {instant_text(record['start_ms'])}"
    if record["type"] == "cancel":
        return f"{head} cancelled"
    prices = " ".join(str(record[name]) for name in ("open", "high", "low", "close"))
    volume = record.get("volume")
    return f"{head}  {prices}" + ("" if volume is None else f"  volume {volume}")


def instant_text(instant_ms: int) -> str:
    """An instant for people, UTC."""
    if not 0 <= instant_ms <= LAST_MS:
        return str(instant_ms)
    return datetime.fromtimestamp(instant_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
