"""Where a book begins to take records, and the engines it begins with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from tapeline.replay.bounds import Bound
from tapeline.replay.fold import Selection
from tapeline.replay.options import ReplayOptions
from tapeline.replay.run import Replay
from tapeline.replay.sources.protocol import StateBound, StoredState, StoredStates
from tapeline.replay.sources.topic import TopicSource
from tapeline.schemas.config.model import Config
from tapeline.schemas.errors import BrokenPromiseError
from tapeline.schemas.partition import partition_for
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.errors import InputError
from tapeline.streams.hosting.books import Book
from tapeline.streams.hosting.fold import BookStart
from tapeline.streams.pipeline.provenance import IdentityError, restore_engine


class LogShorterError(BrokenPromiseError):
    """The log ends before what the state of a book includes; the message has both offsets."""


def first_offsets(
    source: TopicSource,
    partitions: Collection[int],
    stored: Mapping[int, int],
    given: Mapping[int, int],
) -> dict[int, int]:
    """By partition, the first record that a book takes.

    That is where its state ends; of a partition that it does not know, the given one, and else the
    end of the log, so that what is history now stays history.

    Raises
    ------
    LogShorterError
        When the log of now ends before the state.
    """
    found = {}
    for each in partitions:
        end = source.extents[each].end or 0
        found[each] = stored.get(each, given.get(each, end))
        if found[each] > end:
            raise LogShorterError(
                f"{source.topic} partition {each} ends at offset {end}, the state of the book"
                f" includes all below {found[each]}: the topic was made again, its broker lost the"
                " end of the log, or this is another cluster. Use another topic prefix, or delete"
                " all topics of this one"
            )
    return found


async def offsets_from(
    config: Config, source: TopicSource, book: Book[Any], bound: Bound
) -> dict[int, int]:
    """By partition, the first record after an instant, as a replay that begins there finds it.

    Parameters
    ----------
    source
        Not opened yet: it is read from the snapshots before that instant on.
    """
    options = ReplayOptions(
        start=bound, selection=Selection(book.groups, frozenset((*book.groups, *book.symbols)))
    )
    async with Replay(config, source, options) as run:
        spans = run.fold.spans
        async for _ in run.batches():
            if all(span.start is not None for span in spans.values()):
                break
        return {
            partition: source.extents[partition].end or 0 if span.start is None else span.start
            for partition, span in spans.items()
        }


async def stored_before(source: TopicSource, offsets: Mapping[int, int]) -> StoredStates:
    """Snapshots from which the engines of a book come to where it begins."""
    extents = source.extents
    if all(offset == extents[each].begin for each, offset in offsets.items()):
        return StoredStates()
    return await source.states(StateBound(offsets=offsets), sorted(offsets))


def beginning_of(
    config: Config,
    source: TopicSource,
    book: Book[Any],
    offsets: Mapping[int, int],
    stored: StoredStates,
) -> BookStart:
    """Engines as stored, and the records that bring them to where the book begins.

    Raises
    ------
    InputError
        When a snapshot was made with other settings than those of now.
    """
    count = config.kafka.partitions
    read_from: dict[int, int] = {}
    shown: dict[int, int] = {}
    home = partial(partition_for, partitions=count)
    own = {group: each for group, each in stored.states.items() if group in book.groups}
    known = {home(group) for group in own}
    for group, state in sorted(stored.states.items()):
        partition = home(group)
        # A group of other books that went silent long ago is no reason to read from there.
        if group not in own and partition in known:
            continue
        start = state.offset + 1
        if start < read_from.get(partition, start + 1):
            read_from[partition], shown[partition] = start, state.shown_ms
    for partition in offsets:
        read_from.setdefault(partition, source.extents[partition].begin)
    engines = {group: _engine(config, group, state) for group, state in sorted(own.items())}
    admitted = {
        partition: [each.symbol for each in symbols if each.offset < read_from[partition]]
        for partition, symbols in stored.admitted.items()
    }
    return BookStart(dict(offsets), read_from, shown, engines, admitted)


def _engine(config: Config, group: str, state: StoredState) -> GroupEngine:
    try:
        return restore_engine(config, group, state.settings, state.records)
    except (IdentityError, ValueError) as error:
        raise InputError(
            f"the snapshot of group {group} at {state.session} cannot be used ({error}): a host"
            " needs the configuration of the workers, with the same instruments, intervals,"
            " indicators and windows"
        ) from error
