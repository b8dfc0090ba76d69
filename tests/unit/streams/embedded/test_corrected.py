"""A log as we know it now: the last version of every bar, sorted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeline.streams.errors import InputError
from tapeline.streams.feeds.opening import Source
from tapeline.streams.pipeline.summary import RunResult
from tests.unit.streams.embedded.books import (
    CONFIGURATION,
    MINUTE_MS,
    OPEN_MS,
    acme,
    codes,
    lines,
    log_line,
    row,
    run,
    write,
)

DAY_MS = 86_400_000
AGE = 30
"""Days: more than the sessions of the correction horizon."""
DELIVERY = ("seq", "rev", "corrects", "watermark_ms")


def corrected(folder: Path, *records: str, toml: str = CONFIGURATION) -> RunResult:
    """A run over a log, sorted."""
    path = folder / "log.jsonl"
    path.write_text("\n".join(records) + "\n")
    return run(folder, Source(str(path)), toml=toml, as_corrected=True)


def view(result: RunResult) -> dict[str, dict[str, object]]:
    """What the run's files fold to."""
    found = {}
    for topic in ("bars.derived", "sessions", "quality", "gaps", "swings"):
        for event in lines(result, topic):
            assert event["op"] == "upsert"
            found[event["id"]] = {name: event[name] for name in event if name not in DELIVERY}
    return found


def test_bars_come_by_their_ends_and_the_last_version_counts(tmp_path: Path) -> None:
    shuffled = (log_line(3), log_line(0), log_line(2), log_line(0), log_line(1), log_line(20))
    result = corrected(tmp_path, *shuffled)
    counters = result.manifest["counters"]
    assert (counters["accepted"], counters["late"], counters["superseded"]) == (5, 0, 1)
    assert [event["corrects"] for event in lines(result, "sessions")] == [None]
    assert result.manifest["options"]["as_corrected"] is True


def test_what_came_beyond_the_horizon_counts(tmp_path: Path) -> None:
    toml = '[instruments.ACME]\ncalendar = "XNYS"\nmax_ahead = 0\n'
    old, new = log_line(0), log_line(AGE * 1440)
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join([new, old]) + "\n")
    plain = run(tmp_path, Source(str(path)), toml=toml)
    assert codes(plain) == {"beyond_horizon": 1}
    assert "--as-corrected" in lines(plain, "rejects")[0]["reason"]
    known_live = view(plain)
    late = view(corrected(tmp_path, new, old, toml=toml))
    assert late == view(corrected(tmp_path, old, new, toml=toml))
    assert len(late) > len(known_live)


def test_a_cancelled_bar_is_gone_and_its_watermark_stays(tmp_path: Path) -> None:
    result = corrected(tmp_path, log_line(0), log_line(9), log_line(9, "cancel"))
    counters = result.manifest["counters"]
    assert (counters["rows"], counters["superseded"], counters["until_clocks"]) == (3, 2, 1)
    [gap] = lines(result, "gaps")
    assert gap["end_ms"] == OPEN_MS + 10 * MINUTE_MS


def test_a_jump_too_far_ahead_is_refused_at_its_offset(tmp_path: Path) -> None:
    far = log_line(60 * 1440)
    result = corrected(tmp_path, log_line(0), far, log_line(1))
    assert codes(result) == {"ahead_of_time": 1}
    assert result.manifest["counters"]["accepted"] == 2
    bridged = corrected(
        tmp_path, log_line(0), log_line(30 * 1440, "clock"), far, log_line(30 * 1440 + 1)
    )
    assert codes(bridged) == {}


def test_lines_that_are_no_records_are_dead_letters(tmp_path: Path) -> None:
    result = corrected(tmp_path, log_line(0), "{", log_line(0).replace("1m", "2m"))
    assert codes(result) == {"decode_error": 1, "unknown_interval": 1}


def test_tables_of_bars_are_not_a_log(tmp_path: Path) -> None:
    path = write(tmp_path / "book.csv", [row(0)])
    with pytest.raises(InputError, match="as-corrected"):
        run(tmp_path, acme(path), as_corrected=True)
