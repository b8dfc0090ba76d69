"""A replay: the core over a stretch of a log, released in the total order at any speed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, Unpack

from tapeline.replay.beginning import WarmUp, beginning
from tapeline.replay.fold import ReplayFold, ReplayStart
from tapeline.replay.hosting import Hosting, LoadedChoice, books_in, check_selected
from tapeline.replay.options import Keywords, Named, Pace, ReplayOptions, inputs_of, options_of
from tapeline.replay.sources.corrected import CorrectedSource
from tapeline.replay.sources.files import FileSource, rebuilt_notes
from tapeline.replay.sources.fingerprint import InputHash
from tapeline.replay.sources.items import LogItem, Release, count_untimed
from tapeline.replay.sources.opening import Origin, source_of
from tapeline.replay.sources.protocol import LogSource
from tapeline.schemas.config.model import Config
from tapeline.schemas.config.security import Brokers
from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Output, Reject
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.instants import HOUR_MS
from tapeline.schemas.registry import EVENTS
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.times import TimeUnit
from tapeline.streams.kafka.shown import OwnEnds
from tapeline.streams.pipeline.routing import Router

__all__ = ["Pace", "Replay", "ReplayOptions"]

LONGEST_LEAD_MS = HOUR_MS
"""A first record that lies no later than this after the start is waited for at the pace."""

T = TypeVar("T")
E = TypeVar("E", bound=Output | Reject | HostEvent)


class Replay:
    """One replay; an asynchronous context, and an asynchronous iterator of its events.

    Leaving the context closes all that was opened, also in the middle of an iteration.

    Parameters
    ----------
    source
        Opened and closed by the replay.
    pace
        None: as fast as possible.
    registry
        The types of the events.

    Attributes
    ----------
    start_states
        What each group, or each partition without a stored state, began with; for the manifest.
    notes
        What is to be known of it beside, a sentence each.
    seam_offsets
        By partition, the first offset that was not there when the replay was opened; of one that
        follows.
    live
        Set when everything below the seam was handed over: what comes then, arrives now.
    given
        The configuration.
    released
        Records inside the bounds until now.
    time_ms
        Event time of the last one.
    untimed
        Records read until now whose CreateTime is not the end of their bar, or the time of their
        clock; nothing depends on it.
    heard
        Called with every piece that is read, before what it leads to is released.
    strategies
        Those that run, loaded; None: none.

    Raises
    ------
    InputError
        When a strategy cannot be loaded, or its symbols are not replayed.
    """

    def __init__(
        self,
        config: Config,
        source: LogSource,
        options: ReplayOptions | None = None,
        pace: Pace | None = None,
        registry: Registry = EVENTS,
    ) -> None:
        self.registry = registry
        self.options = ReplayOptions() if options is None else options
        self.given = config
        self.config = config.without_max_ahead() if self.options.as_corrected else config
        self.source: LogSource = (
            CorrectedSource(source, config, self.options.selection)
            if self.options.as_corrected
            else source
        )
        self.start_states: dict[str, dict[str, Any]] = {}
        self.notes: list[str] = []
        self.seam_offsets: dict[int, int] = {}
        self.released = 0
        self.time_ms: int | None = None
        self.untimed = 0
        self.from_ms: int | None = None
        self.to_ms: int | None = None
        self.read_from: dict[int, int] = {}
        self.rejects: Counter[str] = Counter()
        self.input_hash = InputHash()
        self.live = asyncio.Event()
        self._stopped = False
        self._streams: list[AsyncGenerator[Any, None]] = []
        self.heard: Callable[[list[LogItem]], None] | None = None
        self._pace = pace
        self._begun = False
        self._warm_up: WarmUp | None = None
        self._own_ends = OwnEnds(config.time)
        self._shown: dict[int, int] = {}
        self._accepted_ms: int | None = None
        self._fold: ReplayFold | None = None
        self.strategies: LoadedChoice | None = None
        if self.options.strategies is not None:
            self.strategies = LoadedChoice.of(config, self.options.strategies)
            groups = self.options.selection.groups
            check_selected(config, self.strategies.strategies, groups)

    @classmethod
    def files(
        cls,
        config: Config,
        inputs: Sequence[Named],
        zone: str | None = None,
        time_unit: TimeUnit | None = None,
        **keywords: Unpack[Keywords],
    ) -> Replay:
        """A replay of files: logs, tables, or one run directory, whose inputs are read again.

        Parameters
        ----------
        inputs
            Paths; of a table without a column ``symbol`` (symbol, path).
        zone
            Of times without offset.
        time_unit
            Of times that are numbers; None: milliseconds.
        **keywords
            See `replay.options.Keywords`.
        """
        origin = Origin(files=inputs_of(inputs), zone=zone, time_unit=time_unit)
        source = source_of(config, origin).source
        return cls(config, source, options_of(config, keywords), keywords.get("pace"))

    @classmethod
    def store(cls, config: Config, folder: str | Path, **keywords: Unpack[Keywords]) -> Replay:
        """A replay of the log of a durable store; keywords as in `replay.options.Keywords`."""
        source = source_of(config, Origin(store=Path(folder))).source
        return cls(config, source, options_of(config, keywords), keywords.get("pace"))

    @classmethod
    def topic(
        cls, config: Config, bootstrap: str | None = None, **keywords: Unpack[Keywords]
    ) -> Replay:
        """A replay of the log of a cluster, by default that of the configuration.

        Keywords as in `replay.options.Keywords`.
        """
        brokers = Brokers(bootstrap, config.kafka.security) if bootstrap else config.kafka.brokers
        source = source_of(config, Origin(brokers=brokers)).source
        return cls(config, source, options_of(config, keywords), keywords.get("pace"))

    @property
    def pace(self) -> Pace | None:
        """What holds its records back."""
        return self._pace

    def input_digests(self) -> dict[str, str]:
        """SHA-256 of what was read of each partition of a topic."""
        if isinstance(self.source, CorrectedSource):
            return self.source.input_hash.digests()
        return self.input_hash.digests()

    @property
    def fold(self) -> ReplayFold:
        """The fold, once the replay is opened."""
        assert self._fold is not None, "the replay is not open"
        return self._fold

    async def __aenter__(self) -> Replay:
        options = self.options
        if options.follow and (options.stop is not None or options.as_corrected):
            raise InputError("following needs an open end, and the order of the log")
        if options.follow and options.strategies is not None:
            raise InputError("following with strategies: tapeline host runs them live")
        await self.source.__aenter__()
        try:
            await self._begin()
        except BaseException:
            await self.source.__aexit__()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        try:
            # What they read from must be open until they end.
            while self._streams:
                await self._streams.pop().aclose()
        finally:
            await self.source.__aexit__(*error)

    def stop(self) -> None:
        """End it in good order: the iteration under way ends after the records at hand."""
        self._stopped = True
        if self._pace is not None:
            # A wait for the next record ends, too.
            self._pace.stop()

    def _kept(self, stream: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """A stream that ends with the replay, wherever its reader left off."""
        self._streams.append(stream)
        return stream

    async def _begin(self) -> None:
        options, source = self.options, self.source
        partitions = self._partitions()
        if options.follow and any(source.extents[each].end is None for each in partitions):
            raise InputError("only a topic can be followed: files do not grow")
        begun = await beginning(self.config, source, options, partitions)
        self.from_ms, self.to_ms = begun.window.from_ms, begun.window.to_ms
        self.read_from, self.start_states = begun.read_from, begun.start_states
        self.notes += begun.notes
        if self.strategies is not None and isinstance(source, FileSource):
            self.notes += rebuilt_notes(source.rebuilt_at)
        self._shown = begun.shown
        if isinstance(source, CorrectedSource):
            self.untimed = source.untimed
        self._warm_up = WarmUp(begun)
        self._fold = ReplayFold(
            self.config,
            source,
            ReplayStart(self.read_from, begun.states, begun.admitted),
            begun.window,
            options.selection,
            self.registry,
            None if self.strategies is None else partial(self._hosting, self.strategies),
        )
        if options.follow:
            ends = {each: source.extents[each].end for each in partitions}
            self.seam_offsets = {each: end for each, end in ends.items() if end is not None}

    def _hosting(self, loaded: LoadedChoice, router: Router) -> Hosting:
        return Hosting(self.config, loaded, router, books_in(self.source))

    def _partitions(self) -> list[int]:
        groups = self.options.selection.groups
        extents = sorted(self.source.extents)
        if groups is None:
            return extents
        wanted = {self.source.partition_of(group) for group in groups}
        return extents if None in wanted else [each for each in extents if each in wanted]

    def batches(self) -> AsyncGenerator[list[Release], None]:
        """Releases in the total order, as many at once as are there.

        Raises
        ------
        LogMissingError
            When records are missing.
        """
        return self._kept(self._batches())

    async def _batches(self) -> AsyncGenerator[list[Release], None]:
        fold, pace = self.fold, self._pace
        if isinstance(self.source, CorrectedSource):
            for letter in self.source.letters:
                self.rejects[letter.code] += 1
        stream = self._kept(
            self.source.read(dict(self.read_from), self.options.follow, self._shown)
        )
        async for items in stream:
            if not items and self.options.follow:
                # So a source shows that its seam is reached, and later that nothing has arrived.
                self.live.set()
            if self.heard is not None:
                self.heard(items)
            # A repetition does not read what lies before the warm-up: its hash is without it, too.
            items = self._warm(items)
            if pace is None:
                out = fold.take_all(items)
                left: list[LogItem] = []
            else:
                out, left = [], items
            for item in left:
                release = fold.take(item)
                if release is None:
                    continue
                if pace is not None:
                    if not self._begun:
                        self._lead_in(pace, item)
                    due_ms = self._due_ms(release)
                    if not self._paced(item):
                        goes = not pace.stopped
                    elif not (goes := pace.at_once(due_ms)):
                        # All before the wait has been handed over.
                        if out:
                            yield self._counted(out)
                            out = []
                        goes = await pace.release(due_ms)
                    if not goes:
                        fold.spans[item.partition].next_offset = item.offset
                        break
                    hosted = release.hosted
                    published = [*release.events, *hosted] if hosted else release.events
                    pace.seen(published, release.marked)
                out.append(release)
            if pace is not None or any(span.stop is not None for span in fold.spans.values()):
                ends = {each: span.next_offset for each, span in fold.spans.items()}
                items = [item for item in items if item.offset < ends[item.partition]]
            counted = self._counted_input(items)
            self.input_hash.add(counted)
            self.untimed += count_untimed(counted)
            if out:
                yield self._counted(out)
            if fold.done or self._stopped or (pace is not None and pace.stopped):
                break
        if fold.hosting is not None:
            self.notes += fold.hosting.end()

    def _counted_input(self, items: list[LogItem]) -> list[LogItem]:
        first = self.options.counted_from
        if first is None:
            return items
        return [item for item in items if item.offset >= first.get(item.partition, 0)]

    def _paced(self, item: LogItem) -> bool:
        """Whether a record was there when the replay was opened; a later one has its own pace."""
        return item.offset < self.seam_offsets.get(item.partition, item.offset + 1)

    def _due_ms(self, release: Release) -> int:
        """Event time of a record for the pace: a refused one goes right after the one before it.

        Its time may be why it was refused; do not wait for a year that does not come.
        """
        if release.letter is None:
            self._accepted_ms = release.item.time_ms
        elif self._accepted_ms is None:
            return release.item.time_ms if self.from_ms is None else self.from_ms
        return self._accepted_ms

    def _lead_in(self, pace: Pace, first: LogItem) -> None:
        """An hour lasts an hour, not one bar less; but years without a log are not waited for."""
        self._begun = True
        if self.from_ms is not None and 0 < first.time_ms - self.from_ms <= LONGEST_LEAD_MS:
            pace.begin_at(self.from_ms)

    def _warm(self, items: list[LogItem]) -> list[LogItem]:
        """The items without those before the warm-up."""
        warm_up = self._warm_up
        if warm_up is None or not warm_up:
            return items
        kept = []
        for item in items:
            # After an idle time of its partition the key stays behind: the record shows its end.
            time_ms = max(item.time_ms, self._own_ends.of(item.content))
            if warm_up.leaves_out(item.partition, item.offset, time_ms):
                self.fold.pass_over(item)
            else:
                kept.append(item)
        return kept

    def _counted(self, releases: list[Release]) -> list[Release]:
        self.released += len(releases)
        self.time_ms = releases[-1].item.time_ms
        for release in releases:
            if release.letter is not None:
                self.rejects[release.letter.code] += 1
        return releases

    def releases(self) -> AsyncGenerator[Release, None]:
        """Every record inside the bounds with what it led to, in the total order."""
        return self._kept(self._releases())

    async def _releases(self) -> AsyncGenerator[Release, None]:
        async for batch in self.batches():
            for release in batch:
                yield release

    def __aiter__(self) -> AsyncGenerator[Output | Reject | HostEvent, None]:
        """Every event and dead letter, in the total order; of a record strategies come last."""
        return self._kept(self._events())

    def events(self, *kinds: type[E]) -> AsyncGenerator[E, None]:
        """Events of some types alone, such as ``run.events(Touch, Range)``, in the total order."""
        return self._kept(self._of_kinds(kinds))

    async def _of_kinds(self, kinds: tuple[type[E], ...]) -> AsyncGenerator[E, None]:
        async for event in self._events():
            if isinstance(event, kinds):
                yield event

    async def _events(self) -> AsyncGenerator[Output | Reject | HostEvent, None]:
        if isinstance(self.source, CorrectedSource):
            for letter in self.source.letters:
                yield letter
        async for batch in self.batches():
            for release in batch:
                for event in release.events:
                    yield event
                if release.letter is not None:
                    yield release.letter
                for hosted in release.hosted:
                    yield hosted
