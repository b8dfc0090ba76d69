"""Records of a log file."""

from __future__ import annotations

from pathlib import Path

from tapeline.schemas.codec import RECORD_LIMIT_BYTES
from tapeline.schemas.records import Bar, Cancel, Clock
from tapeline.streams.feeds.lines import KEPT_OF_LONG_LINE
from tapeline.streams.feeds.log_feed import LogFeed
from tapeline.streams.pipeline.refusals import Refusal

BAR = (
    b'{"type":"bar","symbol":"ES","interval":"1m","start_ms":0,"open":1,"high":1,"low":1,"close":1}'
)
CANCEL = b'{"type":"cancel","symbol":"ES","interval":"1m","start_ms":0}'
CLOCK = b'{"type":"clock","symbol":"ES","time_ms":60000}'


def _feed(folder: Path, content: bytes) -> LogFeed:
    path = folder / "log.jsonl"
    path.write_bytes(content)
    return LogFeed(str(path))


def test_records_of_every_kind_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    feed = _feed(tmp_path, b"\n".join([CLOCK, b"", BAR, b"  ", CANCEL]) + b"\n")
    found = [(type(content), line) for content, _, line in feed]
    assert found == [(Clock, 1), (Bar, 3), (Cancel, 5)]
    assert feed.rows == 3


def test_carriage_returns_and_a_byte_order_mark_are_no_part_of_a_record(tmp_path: Path) -> None:
    feed = _feed(tmp_path, b"\xef\xbb\xbf" + CLOCK + b"\r\n\r\n{\r\n")
    (clock, _, _), (refusal, row, line) = feed
    assert isinstance(clock, Clock)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, feed.raw(row), line) == ("decode_error", b"{", 3)


def test_a_line_that_is_no_record_names_the_reason_and_its_symbol(tmp_path: Path) -> None:
    feed = _feed(tmp_path, BAR.replace(b'"open":1', b'"open":"1"') + b"\n" + BAR[:-10])
    (wrong, _, _), (cut, _, _) = feed
    assert isinstance(wrong, Refusal)
    assert (wrong.code, wrong.symbol) == ("schema_error", "ES")
    assert "$.open" in wrong.reason
    assert isinstance(cut, Refusal)
    assert cut.code == "decode_error"


def test_a_line_beyond_the_limit_is_one_refusal_of_its_beginning(tmp_path: Path) -> None:
    long = b'"' + b"x" * (2 * RECORD_LIMIT_BYTES)
    feed = _feed(tmp_path, CLOCK + b"\n" + long + b"\n" + CLOCK)
    found = [(type(content), feed.raw(row), line) for content, row, line in feed]
    assert found == [
        (Clock, CLOCK, 1),
        (Refusal, long[:KEPT_OF_LONG_LINE], 2),
        (Clock, CLOCK, 3),
    ]
    assert feed.rows == 3
