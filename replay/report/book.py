"""What a run published of strategies and accounts, as the report reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from msgspec import Struct

from tapeline.replay.report.seen_bars import BarsOfRun
from tapeline.schemas.config.accounts import AccountConfig
from tapeline.schemas.host_events import (
    Account,
    Decision,
    Fill,
    IssuedSignal,
    Order,
    Position,
    SignalNote,
    StrategyState,
)
from tapeline.streams.pipeline.view import fold

Versioned = TypeVar("Versioned", IssuedSignal, Order, Decision, SignalNote)


class HostBook(Struct, frozen=True, kw_only=True):
    """Host events of one run, in order of publication.

    Attributes
    ----------
    name
        Of the run, as it was given.
    as_corrected
        Whether the run saw the last version of each bar from the beginning.
    signals, orders, decisions, notes
        The last version of each, in order of their first.
    fills, positions, accounts, strategies
        All of them.
    bars
        None: of a folder without ``bars.jsonl``.
    settings
        Of the accounts, by name, as the run had them.
    listed
        Symbols of the strategies of each account.
    facts
        Of the manifest, what the page shows of the run.
    """

    name: str
    as_corrected: bool
    signals: dict[str, IssuedSignal]
    orders: dict[str, Order]
    decisions: dict[str, Decision]
    notes: dict[str, SignalNote]
    fills: tuple[Fill, ...]
    positions: tuple[Position, ...]
    accounts: tuple[Account, ...]
    strategies: tuple[StrategyState, ...]
    bars: BarsOfRun | None
    settings: Mapping[str, AccountConfig]
    listed: Mapping[str, tuple[str, ...]]
    facts: Mapping[str, Any]

    def account_names(self) -> list[str]:
        """Accounts that published something, by name."""
        found = {each.account for each in self.accounts}
        found.update(each.account for each in self.decisions.values())
        found.update(each.account for each in self.fills)
        return sorted(name for name in found if name is not None)

    def of_account(self, account: str) -> HostBook:
        """The part of one account; strategies and bars stay whole."""
        return HostBook(
            name=self.name,
            as_corrected=self.as_corrected,
            signals={k: each for k, each in self.signals.items() if each.account == account},
            orders={k: each for k, each in self.orders.items() if each.account == account},
            decisions={k: each for k, each in self.decisions.items() if each.account == account},
            notes={k: each for k, each in self.notes.items() if each.account == account},
            fills=tuple(each for each in self.fills if each.account == account),
            positions=tuple(each for each in self.positions if each.account == account),
            accounts=tuple(each for each in self.accounts if each.account == account),
            strategies=self.strategies,
            bars=self.bars,
            settings=self.settings,
            listed=self.listed,
            facts=self.facts,
        )

    def symbols(self) -> list[str]:
        """Symbols with a signal or a fill, by name."""
        found = {each.symbol for each in self.signals.values()}
        found.update(each.symbol for each in self.fills)
        return sorted(name for name in found if name is not None)


def last_versions(events: Iterable[Versioned]) -> dict[str, Versioned]:
    """The last version of each id, in order of the first."""
    found: dict[str, Versioned] = {}
    fold(found, events)
    return found
