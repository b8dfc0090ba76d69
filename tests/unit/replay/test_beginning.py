"""Where a replay begins: what was left out is reported, and what cannot be heeded is refused."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tapeline.replay.beginning import Beginning, WarmUp
from tapeline.replay.bounds import Bound, parse_bound
from tapeline.replay.fold import ReplayWindow
from tapeline.replay.run import Replay, ReplayOptions
from tapeline.replay.sources.items import Extent
from tapeline.replay.sources.protocol import LogMissingError
from tapeline.schemas.codec import encode
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.records import Bar, LogRecord
from tapeline.streams.cli.main import main
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.samples import write_samples
from tests.unit.replay.memory_source import MemorySource, live, partitioned

CONFIG = read_config(
    '[instruments.AAA]\ntick = 0.01\ncalendar = "24/7"\nranges = ["prior_session"]\n', "test"
)
MINUTE_MS = 60_000
OPEN_MS = 1_765_238_400_000  # 2025-12-09 00:00 UTC
DAY_MINUTES = 1_440


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with sample books, and three days of a market that never closes."""
    write_samples(tmp_path, 4, 7)
    rows = "".join(
        f"{OPEN_MS + minute * MINUTE_MS},10,11,9,10,1\n" for minute in range(3 * DAY_MINUTES)
    )
    (tmp_path / "btc.csv").write_text(f"start_ms,open,high,low,close,volume\n{rows}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tapeline(*arguments: str) -> int:
    return main(list(arguments))


def manifest(folder: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(folder, "manifest.json").read_text())
    return found


@pytest.mark.parametrize("mode", ["--as-recorded", "--as-corrected"])
def test_a_warm_up_of_files_is_called_one_and_repeated_as_one(
    books: Path, capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    stretch = ("--from", "2025-11-26", "--warmup-sessions", "1", mode)
    assert tapeline("replay", "--bars", "ES=es.csv", *stretch, "--out", "warm") == 0
    message = capsys.readouterr().out
    [state] = manifest("warm")["start_state"].values()
    read_from = manifest("warm")["source"]["partitions"]["0"]["read_from"]
    assert state == {"kind": "warm-up", "offset": read_from}
    assert read_from > 0
    assert f"began with the warm-up, offset {read_from}." in message
    assert tapeline("replay", "--manifest", "warm") == 0


def test_a_warm_up_that_reaches_beyond_the_first_record_leaves_nothing_out(books: Path) -> None:
    stretch = ("--from", "2025-11-26", "--warmup-sessions", "9")
    assert tapeline("replay", "--bars", "ES=es.csv", *stretch, "--out", "warm") == 0
    assert tapeline("replay", "--bars", "ES=es.csv", *stretch[:2], "--out", "whole") == 0
    assert manifest("warm")["start_state"] == {"partition 0": {"kind": "log start", "offset": 0}}
    assert manifest("warm")["output_sha256"] == manifest("whole")["output_sha256"]


def test_a_partition_that_begins_with_a_state_is_read_from_there_however_old() -> None:
    starts: dict[str, dict[str, Any]] = {
        "AAA": {"kind": "snapshot", "offset": 4, "session": "2025-12-01"},
        "partition 1": {"kind": "log start", "offset": 0},
    }
    begun = Beginning(ReplayWindow(), {}, {0: 5, 1: 0}, starts, warm_ms=100)
    warm_up = WarmUp(begun)
    assert [warm_up.leaves_out(0, 5, 50), warm_up.leaves_out(1, 0, 50)] == [False, True]
    assert [warm_up.leaves_out(1, 1, 100), warm_up.leaves_out(1, 2, 50)] == [False, False]
    assert begun.read_from == {0: 5, 1: 1}
    assert begun.start_states["partition 1"] == {"kind": "warm-up", "offset": 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from-offset", "40", "--warmup-sessions", "1"), "give --from, where"),
        (("--warmup-sessions", "1"), "give --from, where"),
        (("--from-offset", "3:100"), "--from-offset 3:100: there is no partition 3"),
        (("--to-offset", "1:5"), "--to-offset 1:5: there is no partition 1"),
        (("--from-offset", "200", "--to-offset", "100"), "lies behind --to-offset 0:100"),
        (("--from-offset", "5", "--from-offset", "0:7"), "partition 0 was given before"),
        (
            ("--from", "2025-11-22", "--to", "2025-11-23"),
            "no session of the selection has such a date (calendars: CME_EQUITY)",
        ),
        (("--from", "2025-11-26", "--to", "2025-11-25"), "--from does not lie before --to"),
    ],
)
def test_bounds_that_cannot_be_heeded_are_usage_errors(
    books: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert tapeline("replay", "--bars", "ES=es.csv", *arguments, "--out", "out") == 2
    assert message in capsys.readouterr().err
    assert not (books / "out").exists()


async def test_a_negative_warm_up_is_refused() -> None:
    options = ReplayOptions(start=Bound(time_ms=OPEN_MS), warmup_sessions=-1)
    with pytest.raises(InputError, match="0 or more"):
        await read(minutes(0, 3), options)


DAY = ("--from", "2025-12-10", "--to", "2025-12-10")


@pytest.mark.parametrize(
    "source",
    [
        ("--bars", "BTC-USD=btc.csv"),
        ("--store", "store"),
        ("run",),
        ("run of a log",),
        ("btc.jsonl", "--symbols", "BTC-USD"),
        ("btc.jsonl", "--as-corrected"),
    ],
    ids=[
        "table",
        "store",
        "run directory",
        "run directory of a log",
        "log and symbols",
        "log as corrected",
    ],
)
def test_a_date_is_a_session_of_the_symbols_of_the_log(
    books: Path, source: tuple[str, ...]
) -> None:
    # ES and NQ are configured, too, and their sessions begin an hour before midnight.
    assert tapeline("run", "--bars", "BTC-USD=btc.csv", "--store", "store") == 0
    assert tapeline("run", "--bars", "BTC-USD=btc.csv", "--out", "run") == 0
    bars = minutes(0, 3 * DAY_MINUTES, "BTC-USD")
    (books / "btc.jsonl").write_bytes(b"".join(encode(bar) + b"\n" for bar in bars))
    assert tapeline("run", "btc.jsonl", "--out", "run of a log") == 0
    assert tapeline("replay", *source, *DAY, "--out", "out") == 0
    span = manifest("out")["source"]["partitions"]["0"]
    assert (span["start"], span["stop"]) == (DAY_MINUTES, 2 * DAY_MINUTES)


def test_a_store_is_seen_as_of_the_close_of_its_own_session(
    books: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tapeline("run", "--bars", "BTC-USD=btc.csv", "--store", "store") == 0
    capsys.readouterr()
    as_of = ("--as-of", "2025-12-10", "--type", "session", "--json")
    assert tapeline("state", "--store", "store", *as_of) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = {line["session"]: line["state"] for line in lines}
    assert found["2025-12-10"] == "closed"


class CutSource(MemorySource):
    """A log that lost its first records."""

    def __init__(self, records: list[LogRecord], lost: int) -> None:
        log = partitioned(CONFIG, records, 1)
        super().__init__(log, live(CONFIG, log), seed=7)
        self.extents[0] = Extent(lost, len(records))


def minutes(first: int, count: int, symbol: str = "AAA") -> list[LogRecord]:
    return [
        Bar(symbol, "1m", OPEN_MS + minute * MINUTE_MS, 99.5, 100.0, 99.0, 99.5, 1, "live")
        for minute in range(first, first + count)
    ]


async def read(records: list[LogRecord], options: ReplayOptions, lost: int = 0) -> Replay:
    async with Replay(CONFIG, CutSource(records, lost), options) as run:
        async for _ in run.batches():
            pass
    return run


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "begins at offset 10, and no snapshot .* from 0 to 9; .* --from, and --warmup"),
        ({"start": Bound(offsets={0: 50})}, "begins at offset 10, .* an instant by --from"),
        ({"as_corrected": True}, "begins at offset 10; as corrected, the records from 0 to 9"),
        (
            {"start": Bound(time_ms=OPEN_MS), "warmup_sessions": 1},
            "begins at offset 10, with a record after --from: nothing is left to warm up with",
        ),
    ],
)
async def test_a_log_without_its_beginning_is_refused_with_the_offsets_and_a_way_that_works(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(LogMissingError, match=message):
        await read(minutes(0, 100), ReplayOptions(snapshots=False, **options), lost=10)


async def test_a_log_without_its_beginning_is_replayed_after_a_warm_up() -> None:
    start = parse_bound("--from", "2025-12-09T01:00:00Z")
    options = ReplayOptions(start=start, snapshots=False, warmup_sessions=1)
    run = await read(minutes(0, 100), options, lost=10)
    assert run.start_states == {"partition 0": {"kind": "warm-up", "offset": 10}}
    assert run.released == 40


async def test_a_warm_up_after_a_long_idle_time_leaves_nothing_of_the_stretch_out() -> None:
    # Another symbol begins two months after the last record of the first.
    day = 60 * DAY_MINUTES
    records = [*minutes(0, 100), *minutes(day, 3 * DAY_MINUTES, "BBB")]
    start = parse_bound("--from", "2026-02-09T00:00:00Z")
    whole = await read(records, ReplayOptions(start=start, snapshots=False))
    warmed = await read(records, ReplayOptions(start=start, snapshots=False, warmup_sessions=1))
    assert whole.released == warmed.released == DAY_MINUTES
    [state] = warmed.start_states.values()
    assert state == {"kind": "warm-up", "offset": 100}


async def test_what_follows_a_far_dead_letter_does_not_wait_for_its_time() -> None:
    # The bar years ahead is refused; the next one is due a minute after the last one.
    [far] = minutes(1_000 * DAY_MINUTES, 1)
    asked: list[int] = []

    def at_once(time_ms: int) -> bool:
        asked.append(time_ms)
        return True

    pace: Any = SimpleNamespace(stopped=False, at_once=at_once, seen=lambda *_: None)
    source = CutSource([*minutes(0, 2), far, *minutes(2, 1)], 0)
    async with Replay(CONFIG, source, pace=pace) as run:
        letters = [release.letter async for release in run.releases()]
    assert [letter is not None and letter.code for letter in letters][2] == "ahead_of_time"
    assert asked == [OPEN_MS + ended * MINUTE_MS for ended in (1, 2, 2, 3)]
