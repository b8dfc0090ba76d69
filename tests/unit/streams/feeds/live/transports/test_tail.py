"""A file that grows, is rotated, is cut, and is read again after a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tapeline.streams.feeds.live.model import (
    ConnectFailed,
    ConnectionClosed,
    ConnectionOpened,
    Received,
)
from tapeline.streams.feeds.live.transports.inbox import Inbox
from tapeline.streams.feeds.live.transports.tail import Tails
from tests.unit.streams.feeds.live.transports.watching import Watched


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    inbox = Inbox()
    made = Watched(inbox, Tails(inbox, look_s=0.005))
    yield made
    await made.transport.stop()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bars of today.jsonl"


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


async def lines(watched: Watched, count: int) -> list[str]:
    """So many lines, and no more in the time of twenty looks."""
    await watched.until(Received, count)
    watched.events += [event for event, _ in await watched.inbox.take(0.1)]
    return [each.data.decode() for each in watched.of(Received)]


async def test_whole_lines_are_messages_and_half_a_line_waits_for_its_end(
    watched: Watched, path: Path
) -> None:
    append(path, "one\ntwo\r\n\nthr")
    watched.connect(path.as_uri())
    assert await lines(watched, 2) == ["one", "two"]
    append(path, "ee\nfour\n")
    assert await lines(watched, 4) == ["one", "two", "three", "four"]


async def test_a_rotated_file_is_read_to_its_end_before_the_new_one(
    watched: Watched, path: Path
) -> None:
    append(path, "one\n")
    watched.connect(path.as_uri())
    assert await lines(watched, 1) == ["one"]
    old = path.with_suffix(".1")
    path.rename(old)
    append(old, "two\n")
    append(path, "three\n")
    assert await lines(watched, 3) == ["one", "two", "three"]
    path.rename(path.with_suffix(".2"))
    assert await lines(watched, 3) == ["one", "two", "three"]
    append(path, "four\n")
    assert await lines(watched, 4) == ["one", "two", "three", "four"]


async def test_a_file_that_became_shorter_is_read_from_its_start(
    watched: Watched, path: Path
) -> None:
    append(path, "one\ntwo\nhalf a li")
    watched.connect(path.as_uri())
    await lines(watched, 2)
    path.write_text("new\n")
    assert await lines(watched, 3) == ["one", "two", "new"]


async def test_a_line_above_the_limit_is_cut_and_the_next_one_is_whole(
    watched: Watched, path: Path
) -> None:
    append(path, "x" * 3_000_000 + "\nnext\n")
    watched.connect(path.as_uri(), max_frame=2_000)
    received = await watched.until(Received, 2)
    assert [len(each.data) for each in received] == [2_000, 4]


async def test_a_tail_begins_at_the_start_of_the_file_again_after_its_end(
    watched: Watched, path: Path
) -> None:
    append(path, "one\n")
    watched.connect(path.as_uri(), 1)
    await lines(watched, 1)
    watched.close(1)
    await watched.until(ConnectionClosed)
    watched.connect(path.as_uri(), 2)
    assert await lines(watched, 2) == ["one", "one"]


async def test_a_missing_file_is_a_failed_attempt(watched: Watched, path: Path) -> None:
    watched.connect(path.as_uri())
    (failed,) = await watched.until(ConnectFailed)
    assert failed.reason == "no such file or directory"


async def test_a_full_inbox_holds_a_tail_up_and_loses_no_line(path: Path) -> None:
    append(path, "".join(f"{number}\n" for number in range(500)))
    inbox = Inbox(messages=10)
    watched = Watched(inbox, Tails(inbox, look_s=0.005))
    watched.connect(path.as_uri())
    await watched.until(ConnectionOpened)
    assert await lines(watched, 500) == [str(number) for number in range(500)]
    await watched.transport.stop()
