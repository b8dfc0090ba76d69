"""A store that a live feed writes to: small commits for as long as the process lives.

Each commit is as durable as one of `tapeline run --store`. It writes the state of the groups that
took a record, and of no others. A group whose corrections are left to a rebuild (see `Keeper`) is
run again at most every `REBUILD_EVERY_MS`, and at the end; until then its view is stale, and
`stale_groups` names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import orjson
from msgspec import ValidationError, json

from tapeline.schemas.codec import CodecError, FeedEventDecoder, encode
from tapeline.schemas.config.model import Config
from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Reject
from tapeline.schemas.feed_events import FeedEvent
from tapeline.schemas.instants import MINUTE_MS
from tapeline.schemas.records import Bar
from tapeline.schemas.registry import EVENTS
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.outputs.run_folder import TOPICS_FOLDER
from tapeline.streams.pipeline.log_writer import (
    KnownLog,
    KnownSymbol,
    LogBatch,
    LogEntry,
    first_known_ms,
)
from tapeline.streams.pipeline.operations import FEEDS_TOPIC
from tapeline.streams.pipeline.refusals import Refusal
from tapeline.streams.store.keeper import Keeper
from tapeline.streams.store.layout import PROVENANCE_FILE
from tapeline.streams.store.opened import OpenStore, no_hook
from tapeline.streams.store.rebuild import check_readable, rebuild, rebuild_changed
from tapeline.streams.store.recovery import recover
from tapeline.streams.store.strategies import configured_strategies

REBUILD_EVERY_MS = 10 * MINUTE_MS
STEP_RECORDS = 20_000


class LiveStore:
    """One store, held for writing; a context. Not for two threads at once.

    Parameters
    ----------
    rebuild_every_ms
        Least time between two rebuilds of the groups that wait for one.
    hook
        Called at the points of every commit; see `OpenStore`.
    accept
        Strategies that begin anew; see `StoreStrategies`.

    Raises
    ------
    StoreError
        When the folder is no store, in use, damaged, or of another configuration.
    StrategyLoadError, SetupError
        When a strategy of the configuration cannot be used.
    """

    def __init__(
        self,
        config: Config,
        folder: Path,
        rebuild_every_ms: int = REBUILD_EVERY_MS,
        hook: Callable[[str], None] = no_hook,
        registry: Registry = EVENTS,
        accept: Sequence[str] = (),
    ) -> None:
        self._config = config
        self._accept = accept
        self._every_ms = rebuild_every_ms
        self._store = OpenStore(folder, hook, registry=registry)
        self._watching = ExitStack()
        self._rebuilt_ms = 0
        self._letters = 0

    def __enter__(self) -> LiveStore:
        strategies = configured_strategies(self._config, self._accept)
        self._store.__enter__()
        try:
            self._keeper = Keeper(self._config, self._store, strategies=strategies)
            self._watching.enter_context(self._keeper.watched())
            self._keeper.begin_strategies()
            recover(self._keeper, STEP_RECORDS)
            rebuild_changed(self._keeper, lambda: None)
        except BaseException as error:
            self._watching.close()
            self._store.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is None:
                self.rebuild_all()
                self._keeper.stop_strategies()
        except BaseException as error:
            self._store.__exit__(type(error), error, None)
            raise
        finally:
            self._watching.close()
        self._store.__exit__(kind, *rest)

    def stale_groups(self) -> tuple[str, ...]:
        """Groups whose view is stale until they are run again."""
        return tuple(sorted(self._keeper.rebuilds))

    def read_back(self, feed: str, symbols: Sequence[str], at_ms: int | None = None) -> KnownLog:
        """What the store holds of symbols, and of a feed.

        Parameters
        ----------
        at_ms
            Bars are those from the session before that of this instant on; None: of the watermark.
        """
        known = KnownLog()
        feeds = self._feeds_of(self._keeper.next_offset)
        for symbol in symbols:
            known.symbols[symbol] = self._known_symbol(symbol, feeds, at_ms)
        for event in self._events():
            if event.feed == feed:
                known.take(event)
            else:
                known.take_other(event)
        return known

    def _known_symbol(
        self, symbol: str, feeds: dict[str, dict[str, int]], at_ms: int | None
    ) -> KnownSymbol:
        found = KnownSymbol()
        if self._config.instrument(symbol) is None:
            return found
        engine = self._keeper.router.group_engine(self._config.group_of(symbol))
        found.watermark_ms = engine.watermark_ms(symbol)
        if found.watermark_ms is None:
            return found
        calendar = self._keeper.router.plan(symbol).calendar
        last_ms = found.watermark_ms if at_ms is None else at_ms
        first_ms = first_known_ms(calendar, last_ms)
        for bar in self._keeper.bars(symbol, first_ms):
            found.seen[bar.start_ms] = bar
        latest = feeds.get(symbol, {})
        found.feeds = {feed for feed, recv_ms in latest.items() if recv_ms >= first_ms}
        return found

    def _feeds_of(self, records: int) -> dict[str, dict[str, int]]:
        """By symbol and feed, when the last record of both came, as far as that is known."""
        found: dict[str, dict[str, int]] = {}
        path = self._store.folder / PROVENANCE_FILE
        if not path.exists():
            return found
        with path.open("rb") as lines:
            for _, line in zip(range(records), lines, strict=False):
                try:
                    origin = json.decode(line, type=tuple[str, str, str, int] | None)
                except ValidationError:
                    continue
                if origin is not None:
                    symbol, feed, _, recv_ms = origin
                    found.setdefault(symbol, {})[feed] = recv_ms
        return found

    def _events(self) -> Iterator[FeedEvent]:
        """Operations that were committed."""
        left = self._store.checkpoint.topics[FEEDS_TOPIC]
        if not left:
            return
        decode = FeedEventDecoder(self._store.registry).decode
        with (self._store.folder / TOPICS_FOLDER / f"{FEEDS_TOPIC}.jsonl").open("rb") as lines:
            for line in lines:
                left -= len(line)
                if left < 0:
                    return
                try:
                    yield decode(line)
                except CodecError:
                    # What a newer version reports is nothing that this one goes by.
                    continue

    def write(self, feed: str, batch: LogBatch) -> None:
        """Take a batch of a feed and commit it.

        Raises
        ------
        StoreDamagedError, OSError
            When it cannot be written; nothing more may be written then.
        """
        keeper = self._keeper
        groups: dict[str, None] = {}
        for item in batch.items:
            if isinstance(item, LogEntry):
                self._take(feed, item)
                group = self._config.group_of(item.record.symbol)
                if group in keeper.router.slots:
                    groups[group] = None
            elif isinstance(item, Reject):
                keeper.add_letter(item)
            else:
                keeper.step.add_feed_event(item)
        if keeper.pending or keeper.step:
            keeper.commit(None, groups)

    def _take(self, feed: str, entry: LogEntry) -> None:
        keeper = self._keeper
        record = entry.record
        offset = keeper.next_offset
        try:
            keeper.take(record)
        except RecordRejected as error:
            self._letters += 1
            source = f"feed:{feed}:{entry.recv_ms}:{self._letters}"
            refusal = Refusal(error.code, error.reason, record.symbol)
            keeper.refuse(source, encode(record), refusal)
            return
        if keeper.next_offset > offset:
            origin = orjson.dumps((record.symbol, feed, entry.via, entry.recv_ms))
            keeper.step.provenance[keeper.step.records - 1] = origin

    def rebuild_due(self, now_ms: int) -> bool:
        """Run again the groups that wait for it, if that is due by a monotonic clock."""
        if not self._keeper.rebuilds or now_ms - self._rebuilt_ms < self._every_ms:
            return False
        self._rebuilt_ms = now_ms
        self.rebuild_all()
        return True

    def rebuild_all(self) -> None:
        """Run again all groups that wait for it, and commit each."""
        keeper = self._keeper
        groups = self.stale_groups()
        for group in groups:
            check_readable(keeper, group)
        for group in groups:
            rebuild(keeper, group, lambda: None)
        # Corrections may cost as much again before the next rebuild is the better way.
        keeper.counts.bars_again = 0

    def last_bar(self, symbol: str, start_ms: int) -> Bar | None:
        """Last version of a bar; None where there is none."""
        return self._keeper.stored_bar(symbol, start_ms)
