"""A strategy sees the log in its order, and nothing before it is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tapeline.replay import Replay
from tapeline.replay.pace.control import Control
from tapeline.replay.sources.items import LogItem, Release
from tapeline.replay.strategy import StrategyFeed, run_strategy
from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import built_in_config
from tapeline.schemas.events import Output, Reject, Touch
from tapeline.schemas.records import Bar, Cancel
from tapeline.streams.calendars import load_calendar
from tapeline.streams.feeds.samples import corrections, sample_book, with_duplicates, with_late_bars
from tapeline.streams.host.errors import LookAheadError
from tapeline.streams.host.strategy import Now, Strategy

MINUTE_MS = 60_000


class Diary(Strategy):
    """Writes down every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, int]] = []

    def on_bar(self, bar: Bar, now: Now) -> None:
        self.calls.append(("bar", bar, now.ms))

    def on_correction(self, record: Bar | None, start_ms: int, symbol: str, now: Now) -> None:
        self.calls.append(("correction", (record, start_ms, symbol), now.ms))

    def on_event(self, event: Output, now: Now) -> None:
        self.calls.append(("event", event, now.ms))

    def on_end(self, now: Now) -> None:
        self.calls.append(("end", None, now.ms))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Bars late, repeated, changed and cancelled, and lines that are none."""
    futures = load_calendar("CME_EQUITY")
    bars = list(sample_book("ES", futures, "2025-11-24", 2, 5))
    sent: list[Any] = list(with_late_bars(with_duplicates(bars, 1), 2))
    sent += [*corrections(bars, 3), Cancel("ES", "1m", bars[-50].start_ms)]
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"".join(encode(each) + b"\n" for each in sent) + b"nonsense\n")
    return path


async def diary_of(log: Path, control: Control | None = None) -> tuple[Diary, list[Output]]:
    diary = Diary()
    async with Replay.files(built_in_config(), [log], pace=control) as run:
        await run_strategy(run, diary)
    async with Replay.files(built_in_config(), [log]) as run:
        events = [event async for event in run if not isinstance(event, Reject)]
    return diary, events


async def test_events_come_in_their_order_after_the_bar_that_led_to_them(log: Path) -> None:
    diary, events = await diary_of(log)
    assert [published for kind, published, _ in diary.calls if kind == "event"] == events
    times = [now_ms for _, _, now_ms in diary.calls]
    assert times == sorted(times), "time never goes back"
    assert diary.calls[-1][0] == "end"
    for kind, published, now_ms in diary.calls:
        if kind == "bar":
            assert now_ms == published.start_ms + MINUTE_MS, "a bar is known when it ends"
        elif kind == "event":
            assert max(published.event_ms, published.watermark_ms) <= now_ms


async def test_only_the_newest_bars_are_bars_and_what_changes_the_past_is_a_correction(
    log: Path,
) -> None:
    diary, _ = await diary_of(log)
    starts = [published.start_ms for kind, published, _ in diary.calls if kind == "bar"]
    assert starts == sorted(set(starts))
    changed = [published for kind, published, _ in diary.calls if kind == "correction"]
    late = [bar for bar, start_ms, _ in changed if bar is not None and start_ms in starts]
    gone = [start_ms for bar, start_ms, _ in changed if bar is None]
    assert late
    assert len(gone) == 1
    assert any(start_ms not in starts for _, start_ms, _ in changed), "late bars are no bars"


async def test_a_signal_ends_a_jump_to_the_next_signal(log: Path) -> None:
    control = Control()
    seen: list[int] = []

    class Signals(Strategy):
        def on_bar(self, bar: Bar, now: Now) -> None:
            seen.append(bar.start_ms)
            if len(seen) == 5:
                now.mark()
                assert control.state.paused
                control.resume()

    control.jump_to_next("signal")
    async with Replay.files(built_in_config(), [log], pace=control) as run:
        await run_strategy(run, Signals())
    assert len(seen) > 5


async def test_what_lies_in_the_future_of_its_record_is_never_delivered(log: Path) -> None:
    async with Replay.files(built_in_config(), [log]) as run:
        release = await anext(each async for each in run.releases() if has_touch(each))
    early = [
        msgspec.structs.replace(each, event_ms=each.event_ms + 10 * MINUTE_MS)
        for each in release.events
    ]
    feed = StrategyFeed(Strategy())
    feed.take(release)
    with pytest.raises(LookAheadError):
        feed.take(msgspec.structs.replace(release, events=early))


def has_touch(release: Release) -> bool:
    assert isinstance(release.item, LogItem)
    return any(isinstance(each, Touch) for each in release.events)
