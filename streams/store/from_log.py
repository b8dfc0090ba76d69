"""A store made again from its log alone: state, view and topics, as in the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tapeline.schemas.config.model import Config
from tapeline.schemas.event_types import Registry
from tapeline.schemas.registry import EVENTS
from tapeline.streams.pipeline.collector import rare_collections
from tapeline.streams.store.again import check_store
from tapeline.streams.store.counts import StoreCounts
from tapeline.streams.store.keeper import LEAST_AGAIN, Keeper
from tapeline.streams.store.layout import check_folder
from tapeline.streams.store.opened import OpenStore, no_hook
from tapeline.streams.store.rebuild import check_readable, rebuild
from tapeline.streams.store.recovery import recover
from tapeline.streams.store.strategies import configured_strategies

STEP_RECORDS = 20_000


@dataclass(frozen=True)
class MadeAgain:
    """What making a store again led to.

    Attributes
    ----------
    records
        Of the log.
    appended
        Clocks that were added to it: for a group that had to be run again and has none there.
    torn
        Whether a kill had left a part of a line at its end, which was cut.
    symbols
        By symbol: ``last_ms`` its watermark, ``open_ranges``.
    """

    folder: Path
    records: int
    appended: int
    torn: bool
    counts: StoreCounts
    symbols: dict[str, dict[str, Any]]


def make_again(
    config: Config,
    folder: Path,
    hook: Callable[[str], None] = no_hook,
    step_records: int = STEP_RECORDS,
    least_again: int = LEAST_AGAIN,
    registry: Registry = EVENTS,
) -> MadeAgain:
    """Throw state and topics of a store away and make them from its log.

    Strategies run over the whole log, whenever they began in the store before. Killed at any time
    it can be given again, and any run goes on with it; until it is done a reader is refused.

    Parameters
    ----------
    hook
        Called at the points of every commit; see `OpenStore`.
    step_records
        Records between two commits.
    least_again
        See `Keeper`.
    registry
        The types of the events.

    Raises
    ------
    StoreError
        When the folder is no store, or in use.
    StoreDamagedError
        When the log is damaged; nothing was thrown away.
    OSError
        When reading or writing failed.
    """
    check_folder(folder)
    check_store(folder)
    strategies = configured_strategies(config)
    with rare_collections(), OpenStore(folder, hook, True, registry) as store:
        keeper = Keeper(config, store, least_again=least_again, strategies=strategies)
        with keeper.watched():
            recover(keeper, step_records, refused_stay=True)
            records = keeper.next_offset
            for group in sorted(keeper.rebuilds):
                check_readable(keeper, group)
                rebuild(keeper, group, lambda: None)
            keeper.stop_strategies()
        symbols = {}
        for engine in keeper.router.engines.values():
            for each in engine.plan.instruments:
                symbols[each.symbol] = {
                    "last_ms": engine.watermark_ms(each.symbol),
                    "open_ranges": engine.unresolved(each.symbol),
                }
        appended = keeper.next_offset - records
        return MadeAgain(folder, records, appended, store.torn, keeper.counts, symbols)
