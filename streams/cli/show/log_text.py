"""Records of the log in words."""

from __future__ import annotations

from typing import Any

from tapeline.schemas.instants import instant_text


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
