"""A replay of a log in partitions: one host a book, numbered and ordered as consumers need it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tapeline.replay.bounds import Bound
from tapeline.replay.hosting import StrategyChoice
from tapeline.replay.run import Replay, ReplayOptions
from tapeline.replay.sources.items import Release
from tapeline.schemas.config.loading import load_config
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.partition import partition_for
from tapeline.streams.core.outcome import OUTCOMES
from tests.unit.replay.hosting.strategies import records, write
from tests.unit.replay.memory_source import MemorySource, live, partitioned

PARTITIONS = 3
STEP = 1_000_000
CHOICE = StrategyChoice(("trader", "both"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The strategies and the configuration: the current folder."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    return tmp_path


async def replayed(seed: int, **options: Any) -> list[Release]:
    config = load_config(None)
    log = partitioned(config, [*records()[:50], b"no record", *records()[50:]], PARTITIONS)
    source = MemorySource(log, live(config, log), seed)
    wanted = ReplayOptions(strategies=CHOICE, snapshots=False, **options)
    async with Replay(config, source, wanted) as run:
        return [release async for release in run.releases()]


def by_book(releases: list[Release]) -> dict[int, list[tuple[Release, HostEvent]]]:
    found: dict[int, list[tuple[Release, HostEvent]]] = {}
    for release in releases:
        for event in release.hosted:
            assert event.account is not None
            book = partition_for(event.account, PARTITIONS)
            found.setdefault(book, []).append((release, event))
    return found


async def test_each_book_counts_the_applied_records_of_its_groups_alone(folder: Path) -> None:
    releases = await replayed(1)
    books = by_book(releases)
    groups = {"default": {"ACME"}, "futures": {"ACME", "ES-NQ"}}
    assert len(books) == 2, "the accounts lie in two partitions"
    for account, taken in groups.items():
        steps: dict[tuple[int, int], int] = {}
        for release in releases:
            if release.group in taken and release.outcome in OUTCOMES:
                steps[release.item.partition, release.item.offset] = len(steps)
        found = books[partition_for(account, PARTITIONS)]
        assert {event.account for _, event in found} == {account}
        for release, event in found:
            item = release.item
            assert event.seq // STEP == steps[item.partition, item.offset]
            assert event.seq % STEP < STEP // 2
            assert event.cause == {str(item.partition): item.offset}


async def test_the_seq_of_a_book_only_rises(folder: Path) -> None:
    for found in by_book(await replayed(2)).values():
        seqs = [event.seq for _, event in found]
        assert all(earlier < later for earlier, later in pairwise(seqs))


async def test_in_which_pieces_the_partitions_arrive_does_not_matter(folder: Path) -> None:
    first, *others = [by_book(await replayed(seed)) for seed in (1, 2, 3)]
    wanted = {book: [event for _, event in found] for book, found in first.items()}
    for other in others:
        assert {book: [event for _, event in found] for book, found in other.items()} == wanted


async def test_steps_begin_at_zero_wherever_the_replay_begins(folder: Path) -> None:
    whole = await replayed(1)
    lengths = Counter(release.item.partition for release in whole)
    starts = {partition: count // 2 for partition, count in lengths.items()}
    part = await replayed(1, start=Bound(offsets={each: starts.get(each, 0) for each in range(3)}))
    for found in by_book(part).values():
        release, event = found[0]
        assert event.seq // STEP == 0
        assert release.item.offset >= starts[release.item.partition]
