"""Looks at a store that grows: one after each commit, none between two of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tapeline.streams.store.following import looks
from tapeline.streams.store.layout import StoreError
from tapeline.streams.store.live import LiveStore
from tapeline.streams.store.topic_reader import TopicReader
from tests.unit.streams.store.live_books import CONFIG, write_bars
from tests.unit.streams.store.stores import walk


class WatchOver(Exception):
    """There is nothing more to look at."""


def pauses(*steps: Callable[[], None]) -> Callable[[], None]:
    """A pause that does one thing each time it is made, and ends the looks at last."""
    left = list(steps)

    def pause() -> None:
        if not left:
            raise WatchOver
        left.pop(0)()

    return pause


def records_seen(folder: Path, pause: Callable[[], None]) -> list[int]:
    """Length of the log at each look."""
    seen = []
    with suppress(WatchOver):
        for reader in looks(folder, pause):
            seen.append(reader.checkpoint.log_records)
    return seen


def test_each_commit_is_looked_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    with LiveStore(CONFIG, folder) as store:
        write_bars(store, walk(0, minutes=5))
        pause = pauses(
            lambda: None,
            lambda: write_bars(store, walk(0, minutes=7)),
            lambda: None,
            lambda: write_bars(store, walk(0, minutes=8)),
        )
        assert records_seen(folder, pause) == [5, 7, 8]


def test_a_topic_is_read_on_while_the_store_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    found: list[int] = []
    with LiveStore(CONFIG, folder) as store:
        write_bars(store, walk(0, minutes=30))
        lines = TopicReader(folder, "tape.bars.derived.v1")
        pause = pauses(lambda: write_bars(store, walk(0)))
        with suppress(WatchOver):
            for reader in looks(folder, pause):
                found.append(len(list(lines.lines(reader.checkpoint))))
    first, second = found
    assert 0 < first < second


def test_what_is_no_store_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is no store"):
        next(looks(tmp_path, pauses()))
