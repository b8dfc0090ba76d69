"""Prefixes of a stretch of a log, each run on its own: fresh engines, or the stretch's start state.

The records of the stretch are read once and held; an engine, and its events, belong to one run.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct, structs

from tapeline.replay.bounds import Bound
from tapeline.replay.fold import ReplayFold, ReplayStart, ReplayWindow, Selection
from tapeline.replay.hosting import Hosting, LoadedChoice, books_in
from tapeline.replay.run import Replay, ReplayOptions
from tapeline.replay.sources.items import LogItem, Release
from tapeline.replay.sources.protocol import LogSource, StoredState
from tapeline.replay.verify.causality import (
    CausalityReport,
    PrefixComparison,
    Published,
    random_ends,
)
from tapeline.schemas.config.model import Config
from tapeline.streams.pipeline.admission import TOO_MANY
from tapeline.streams.pipeline.provenance import GroupIdentity, Identity
from tapeline.streams.pipeline.refusals import Refusal
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.pipeline.state_values import pack, unpack


class PackedState(Struct, frozen=True):
    """A state of a group that no run can change."""

    offset: int
    settings: Identity
    records: bytes

    def state(self) -> StoredState:
        """The state, for one run."""
        return StoredState(self.offset, "", self.settings, unpack(self.records)[0])


class Stretch(Struct, frozen=True):
    """The records of a stretch, and all it takes to run them.

    Attributes
    ----------
    items
        In the total order; only those inside the bounds and of groups that are wanted.
    starts
        By partition, the first offset of the stretch.
    states
        By group, the state before it; none where the log begins.
    strategies
        Run anew in every run, from the stretch's first record on; their code is loaded once, so
        that what one run leaves in a module, the next one finds.
    """

    config: Config
    source: LogSource
    selection: Selection
    items: list[LogItem]
    starts: Mapping[int, int]
    states: Mapping[str, PackedState]
    strategies: LoadedChoice | None = None

    def run(self, records: int) -> Iterator[Published]:
        """What each of the first so many records leads to, as if no others came."""
        unlimited = structs.replace(self.config.limits, symbols=sys.maxsize)
        fold = ReplayFold(
            structs.replace(self.config, limits=unlimited),
            self.source,
            ReplayStart(
                self.starts, {group: packed.state() for group, packed in self.states.items()}
            ),
            ReplayWindow(starts=self.starts),
            self.selection,
            make_hosting=None if self.strategies is None else self._hosting,
        )
        for item in self.items[:records]:
            release = fold.take(item)
            assert release is not None, f"{item} was inside the bounds before"
            yield published(release)

    def _hosting(self, router: Router) -> Hosting:
        assert self.strategies is not None
        return Hosting(self.config, self.strategies, router, books_in(self.source))


async def check_causality(
    config: Config,
    make_source: Callable[[], LogSource],
    options: ReplayOptions,
    prefixes: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> CausalityReport:
    """Replay a stretch and random prefixes of it, and count what was rewritten.

    The records of the stretch and its events are held in memory.

    Parameters
    ----------
    make_source
        A source that is not yet opened; called twice where the stretch begins inside the log.
    prefixes
        How many; their ends are drawn by `seed`.
    progress
        Called with the number of prefixes that were run.

    Raises
    ------
    LogMissingError, InputError, BrokerError
        When the source cannot be read.
    """
    async with Replay(config, make_source(), options) as whole:
        outputs: list[Published] = []
        items: list[LogItem] = []
        async for release in whole.releases():
            items.append(_as_refused(release))
            outputs.append(published(release))
        states = await _states_before(config, make_source, whole)
        stretch = Stretch(
            whole.config,
            whole.source,
            options.selection,
            items,
            starts_of(whole),
            states,
            whole.strategies,
        )
        comparison = PrefixComparison(outputs)
        for number, end in enumerate(random_ends(len(items), prefixes, seed), 1):
            comparison.add(list(stretch.run(end)), end)
            if progress is not None:
                progress(number)
            # An interrupt need not wait for all of them.
            await asyncio.sleep(0)
        return comparison.report()


def _as_refused(release: Release) -> LogItem:
    """The record of a release, to be run again without the symbols that are not wanted.

    Which symbols were too many, those decide, too: such a record is refused as it was.
    """
    letter = release.letter
    if letter is None or letter.code != TOO_MANY:
        return release.item
    return release.item._replace(content=Refusal(letter.code, letter.reason, letter.symbol))


def published(release: Release) -> Published:
    """Events and dead letter of a record, and what strategies published of it."""
    if release.letter is not None:
        return [*release.events, release.letter]
    return [*release.events, *release.hosted] if release.hosted else release.events


def starts_of(replay: Replay) -> dict[int, int]:
    """By partition, the first offset inside the bounds of a replay that has ended."""
    return {
        partition: span.next_offset if span.start is None else span.start
        for partition, span in replay.fold.spans.items()
    }


async def _states_before(
    config: Config, make_source: Callable[[], LogSource], whole: Replay
) -> dict[str, PackedState]:
    """States of the groups at the start of a replay that has ended, by running up to it again."""
    starts = starts_of(whole)
    begun = any(state["kind"] == "snapshot" for state in whole.start_states.values())
    if starts == whole.read_from and not begun:
        return {}
    here = Bound(offsets=starts)
    options = structs.replace(
        whole.options,
        start=here,
        stop=here,
        warmup_sessions=None,
        read_from=whole.read_from,
        strategies=None,
    )
    async with Replay(config, make_source(), options) as lead:
        async for release in lead.releases():
            raise AssertionError(f"{release.item} lies before the start")
        return {
            group: PackedState(
                engine.offset,
                GroupIdentity(lead.config, engine).current(),
                pack(engine.snapshot()),
            )
            for group, engine in lead.fold.engines().items()
        }
