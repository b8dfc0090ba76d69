"""What strategies and accounts did in a run, counted while their events pass: exact, small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import to_builtins

from tapeline.schemas.host_events import (
    Account,
    Decision,
    Fill,
    HostEvent,
    IssuedSignal,
    SignalNote,
    StrategyState,
)


class StrategySummary:
    """Counts of one strategy.

    Attributes
    ----------
    rejected
        Signals that were not approved, by code.
    state
        The last fact of it; None before its first.
    """

    def __init__(self) -> None:
        self.signals = 0
        self.approved = 0
        self.rejected: dict[str, int] = {}
        self.fills = 0
        self.notes = 0
        self.state: StrategyState | None = None

    def totals(self) -> dict[str, Any]:
        """Plain data."""
        state = self.state
        return {
            "version": None if state is None else state.version,
            "state": None if state is None else state.state,
            "error_type": None if state is None else state.error_type,
            "error": None if state is None else state.error,
            "record": None if state is None else to_builtins(state.record),
            "unsafe": False if state is None else state.unsafe,
            "signals": self.signals,
            "approved": self.approved,
            "rejected": dict(sorted(self.rejected.items())),
            "fills": self.fills,
            "notes": self.notes,
        }


class HostSummary:
    """All strategies and accounts of a run."""

    def __init__(self) -> None:
        self._strategies: dict[str, StrategySummary] = {}
        self._accounts: dict[str, Account] = {}

    def add(self, events: Sequence[HostEvent]) -> None:
        """Count what one record led to."""
        for event in events:
            if isinstance(event, Account):
                assert event.account is not None, f"{event.id} is of no account"
                self._accounts[event.account] = event
            elif event.strategy is not None:
                self._count(self._strategy(event.strategy), event)

    def _count(self, found: StrategySummary, event: HostEvent) -> None:
        if isinstance(event, IssuedSignal):
            found.signals += event.state == "issued"
        elif isinstance(event, Decision):
            if event.code is None:
                found.approved += 1
            else:
                found.rejected[event.code] = found.rejected.get(event.code, 0) + 1
        elif isinstance(event, Fill):
            found.fills += 1
        elif isinstance(event, SignalNote):
            found.notes += 1
        elif isinstance(event, StrategyState):
            found.state = event

    def _strategy(self, name: str) -> StrategySummary:
        found = self._strategies.get(name)
        if found is None:
            found = self._strategies[name] = StrategySummary()
        return found

    def totals(self) -> dict[str, Any]:
        """Strategies and accounts by name, as plain data; an account as its last fact has it."""
        return {
            "strategies": {
                name: found.totals() for name, found in sorted(self._strategies.items())
            },
            "accounts": {
                name: {
                    field: getattr(found, field)
                    for field in ("currency", "equity", "realised", "open", "commission")
                }
                | {"trades": found.trades, "drawdown": found.drawdown, "state": found.state}
                for name, found in sorted(self._accounts.items())
            },
        }
