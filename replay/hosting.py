"""Strategies in a replay: which run, the hosts that call them, their part of the manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct, to_builtins

from tapeline.replay.sources.protocol import LogSource
from tapeline.schemas.config.model import Config
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.partition import partition_for
from tapeline.schemas.records import LogRecord
from tapeline.streams.core.outcome import Outcome
from tapeline.streams.errors import InputError
from tapeline.streams.host.driving import BOOKS, FILES, HostDriver, groups_of
from tapeline.streams.host.loading import load_strategies
from tapeline.streams.host.plan import LoadedStrategy
from tapeline.streams.pipeline.drive import Item
from tapeline.streams.pipeline.routing import Router

STRATEGIES: Final = "strategies"
ACCOUNTS: Final = "accounts"
CHOICE: Final = "strategy_options"
"""Parts of a manifest, there only where strategies ran."""


class StrategyChoice(Struct, frozen=True):
    """Which strategies run; plain data, so that another process can load them, too.

    Attributes
    ----------
    names
        Of the configuration, of what packages bring, or ``FILE.py:Class``; ``all``: every enabled
        one of the configuration.
    settings
        Own keys of the strategies that replace those of the configuration.
    unsafe
        Take code that may not be pure.
    check_memory
        Check the memory of a strategy after every call.
    """

    names: tuple[str, ...]
    settings: Mapping[str, Any] = {}
    unsafe: bool = False
    check_memory: bool = False


class LoadedChoice(Struct, frozen=True):
    """Strategies that are loaded and belong together."""

    choice: StrategyChoice
    strategies: tuple[LoadedStrategy, ...]

    @staticmethod
    def of(config: Config, choice: StrategyChoice) -> LoadedChoice:
        """Load a choice.

        Raises
        ------
        InputError, ConfigError
            When there is no such strategy, or it cannot run as it is configured.
        """
        found = load_strategies(config, choice.names, choice.unsafe, dict(choice.settings))
        return LoadedChoice(choice, tuple(found))


class Hosting:
    """The hosts of a replay, one a book.

    Parameters
    ----------
    partitions
        Of the log, which has as many books; None: it has none of its own, and one host takes all.

    Attributes
    ----------
    drivers
        In the order of their books.
    """

    def __init__(
        self, config: Config, loaded: LoadedChoice, router: Router, partitions: int | None
    ) -> None:
        books: dict[int, list[LoadedStrategy]] = {}
        for each in loaded.strategies:
            book = 0 if partitions is None else partition_for(each.account, partitions)
            books.setdefault(book, []).append(each)
        numbering = FILES if partitions is None else BOOKS
        check = loaded.choice.check_memory
        self.drivers = [
            HostDriver(config, strategies, router, numbering, check)
            for _, strategies in sorted(books.items())
        ]

    def take(self, item: Item, record: LogRecord, outcome: Outcome, group: str) -> list[HostEvent]:
        """What a record led to, in the order of the books."""
        drivers = self.drivers
        if len(drivers) == 1:
            return drivers[0].take(item, record, outcome, group)
        return [event for each in drivers for event in each.take(item, record, outcome, group)]

    @property
    def marked(self) -> bool:
        """Whether a strategy marked the last record."""
        return any(each.host.marked for each in self.drivers)

    def end(self) -> list[str]:
        """The replay is over, which publishes nothing; what strategies raise then, as sentences."""
        found = []
        for each in self.drivers:
            try:
                each.end()
            except Exception as error:
                found.append(f"on_end of a strategy raised {type(error).__name__}: {error}")
        return found


def books_in(source: LogSource) -> int | None:
    """Books of a log that is open; None when it has no partitions of its own: files."""
    return None if source.partition_of("") is None else len(source.extents)


def check_selected(
    config: Config, strategies: Sequence[LoadedStrategy], groups: frozenset[str] | None
) -> None:
    """Refuse strategies whose symbols are not replayed.

    Raises
    ------
    InputError
        Naming the first of them.
    """
    if groups is None:
        return
    for each in strategies:
        for group in sorted(groups_of(config, [each]) - groups):
            raise InputError(
                f"strategy {each.name}: its group {group} is not selected; name it in --groups, or"
                " leave the selection out"
            )


def manifest_parts(config: Config, loaded: LoadedChoice | None) -> dict[str, Any]:
    """What a manifest says of strategies; nothing where none ran."""
    if loaded is None:
        return {}
    strategies = {
        each.name: {
            "version": each.version,
            "account": each.account,
            "symbols": sorted(each.symbols),
            "settings": to_builtins(each.settings),
            "on_fault": each.on_fault,
            "muted": each.muted,
            "unsafe": each.unsafe,
            "allow": _allowed(config, each.name),
        }
        for each in loaded.strategies
    }
    names = sorted({each.account for each in loaded.strategies})
    return {
        CHOICE: to_builtins(loaded.choice),
        STRATEGIES: strategies,
        ACCOUNTS: {name: to_builtins(config.accounts[name]) for name in names},
    }


def _allowed(config: Config, name: str) -> list[str]:
    """Packages beyond the pure ones that a strategy may import."""
    table = config.strategies.get(name)
    return [] if table is None else list(table.allow)


def choice_in(manifest: Mapping[str, Any]) -> StrategyChoice | None:
    """The strategies of a manifest, to run again."""
    found = manifest.get(CHOICE)
    if found is None:
        return None
    return StrategyChoice(
        tuple(found["names"]), found["settings"], found["unsafe"], found["check_memory"]
    )
