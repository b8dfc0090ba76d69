"""The seam between a fold and a host: which records reach it, and as which steps."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tapeline.schemas.config.model import Config
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.records import LogRecord
from tapeline.streams.core.outcome import Outcome
from tapeline.streams.host.host import Host
from tapeline.streams.host.market import HostRecord, RouterMarket
from tapeline.streams.host.plan import FILES_BASE, HostPlan, LoadedStrategy, Numbering
from tapeline.streams.pipeline.drive import Item
from tapeline.streams.pipeline.routing import Router

FILES = Numbering(base=FILES_BASE, by_partition=False)
"""Of files and stores: the step is the offset, and a record's facts are numbered below."""
BOOKS = Numbering(base=0, by_partition=True)
"""Of topics: the step counts the records that a book has taken."""


def groups_of(config: Config, strategies: Collection[LoadedStrategy]) -> frozenset[str]:
    """Groups of the symbols that strategies follow: only their records are taken."""
    return frozenset(
        config.group_of(symbol)
        for each in strategies
        for symbol in each.needs.symbols or each.symbols
    )


class HostDriver:
    """Hands a host what a fold applied, record by record, right after the engine took it.

    Parameters
    ----------
    strategies
        All of one book.
    router
        Of the fold: the host looks at its engines.
    numbering
        `FILES` or `BOOKS`.
    check_memory
        Check the memory of a strategy after every call.

    Attributes
    ----------
    host
        Its state goes where the driver keeps that of the fold.
    step
        Of the next record; only books count, and take it from their state.
    at
        The record that the host is at, None between two; see `streams.hang`.
    """

    __slots__ = ("_counts", "_groups", "at", "host", "step")

    def __init__(
        self,
        config: Config,
        strategies: Sequence[LoadedStrategy],
        router: Router,
        numbering: Numbering = FILES,
        check_memory: bool = False,
    ) -> None:
        plan = HostPlan(
            config=config,
            strategies=tuple(strategies),
            numbering=numbering,
            check_memory=check_memory,
        )
        self.host = Host(plan, RouterMarket(router))
        self.step = 0
        self.at: HostRecord | None = None
        self._groups = self.host.groups
        self._counts = numbering.by_partition

    def take(self, item: Item, record: LogRecord, outcome: Outcome, group: str) -> list[HostEvent]:
        """What a record led to that the fold has just applied; empty for groups of no strategy.

        Parameters
        ----------
        item
            Of the fold: offset first, partition third.
        outcome
            Valid until the next record; the host keeps what it needs.
        """
        if group not in self._groups:
            return []
        step = self.step if self._counts else item[0]
        self.step = step + 1
        self.at = taken = HostRecord(
            step,
            item[2],
            item[0],
            record,
            group,
            outcome.kind,
            outcome.events,
            outcome.correction,
            outcome.watermark_ms,
        )
        found = self.host.take(taken)
        self.at = None
        return found

    def end(self) -> None:
        """The log is over for this host: nothing is published by that."""
        self.host.end(self.step)
