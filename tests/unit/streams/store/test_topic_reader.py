"""Lines of a topic that are read on: each once, and none of a file that was damaged meanwhile."""

from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path

import pytest

from tapeline.streams.store.checkpoint import StoreCheckpoint
from tapeline.streams.store.layout import StoreDamagedError, StoreError
from tapeline.streams.store.live import LiveStore
from tapeline.streams.store.reading import StoreReader
from tapeline.streams.store.topic_reader import TopicReader
from tests.unit.streams.store.live_books import CONFIG, write_bars
from tests.unit.streams.store.stores import walk

TOPIC = "tape.bars.derived.v1"


def checkpoint(folder: Path) -> StoreCheckpoint:
    with StoreReader(folder) as reader:
        return reader.checkpoint


def path(folder: Path) -> Path:
    return folder / "topics" / f"{TOPIC}.jsonl"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store with a day of bars."""
    with LiveStore(CONFIG, tmp_path / "s") as store:
        write_bars(store, walk(0))
    return tmp_path / "s"


def grow(folder: Path) -> None:
    with LiveStore(CONFIG, folder) as store:
        write_bars(store, walk(1, minutes=30))


def test_a_look_gives_the_lines_that_were_committed_since_the_last_one(folder: Path) -> None:
    lines = TopicReader(folder, TOPIC)
    first = list(lines.lines(checkpoint(folder)))
    assert list(lines.lines(checkpoint(folder))) == []
    grow(folder)
    more = list(lines.lines(checkpoint(folder)))
    assert more
    assert [*first, *more] == path(folder).read_bytes().splitlines()


def test_a_topic_without_a_file_has_no_lines(folder: Path) -> None:
    assert list(TopicReader(folder, "tape.feeds.v1").lines(checkpoint(folder))) == []


def test_lines_that_were_not_all_taken_are_given_again(folder: Path) -> None:
    lines = TopicReader(folder, TOPIC)
    taken = list(islice(lines.lines(checkpoint(folder)), 3))
    assert list(lines.lines(checkpoint(folder)))[:3] == taken


def test_lines_beyond_the_checkpoint_are_not_given(folder: Path) -> None:
    before = checkpoint(folder)
    grow(folder)
    count = len(path(folder).read_bytes().splitlines())
    assert 0 < len(list(TopicReader(folder, TOPIC).lines(before))) < count


@pytest.mark.parametrize("at", [10, -10])
def test_a_damaged_byte_is_noticed_before_a_new_line_is_given(folder: Path, at: int) -> None:
    lines = TopicReader(folder, TOPIC)
    if at < 0:
        # Of what was read before, nothing is used again.
        list(lines.lines(checkpoint(folder)))
    grow(folder)
    raw = bytearray(path(folder).read_bytes())
    raw[at] ^= 1
    path(folder).write_bytes(raw)
    with pytest.raises(StoreDamagedError, match="is damaged"):
        next(lines.lines(checkpoint(folder)))


def test_a_file_that_lost_its_end_is_damaged(folder: Path) -> None:
    lines = TopicReader(folder, TOPIC)
    list(lines.lines(checkpoint(folder)))
    grow(folder)
    path(folder).write_bytes(path(folder).read_bytes()[:-1])
    with pytest.raises(StoreDamagedError, match="1 bytes are missing"):
        next(lines.lines(checkpoint(folder)))


def test_a_store_that_is_another_one_meanwhile_is_to_be_read_anew(folder: Path) -> None:
    lines = TopicReader(folder, TOPIC)
    list(lines.lines(checkpoint(folder)))
    shutil.rmtree(folder)
    with LiveStore(CONFIG, folder) as store:
        write_bars(store, walk(0, seed=3))
        write_bars(store, walk(1, seed=3))
    with pytest.raises(StoreError, match="begin anew"):
        list(lines.lines(checkpoint(folder)))
