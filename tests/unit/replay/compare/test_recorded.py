"""Events as a run left them: where they belong, and which part of a log they cover."""

from __future__ import annotations

import pytest

from tapeline.replay.compare.recorded import (
    NO_SEQ,
    Coverage,
    Entry,
    RecordedError,
    entry_of,
    plain,
)


def entry(record: int, partition: int = 0, symbol: str = "ES") -> Entry:
    """An event of a record."""
    return Entry(partition, record * 1_000_000 + 3, "id", 0, 0, symbol, b"{}")


def test_a_line_shows_where_it_belongs() -> None:
    raw = b'{"type":"gap","id":"gap|ES|1m|1","op":"retract","seq":7000002,"rev":1,"symbol":"ES",'
    raw += b'"watermark_ms":9}'
    found = entry_of(raw, 2, "test")
    assert (found.partition, found.seq, found.record, found.rev) == (2, 7_000_002, 7, 1)
    assert (found.gone, found.watermark_ms, found.symbol) == (True, 9, "ES")
    assert plain(found)["id"] == "gap|ES|1m|1"


@pytest.mark.parametrize(
    ("source", "position"),
    [
        ("tape.bars.v1/3/17", (3, 17)),
        ("book.csv:17", (-1, NO_SEQ)),
        ("books/3/17.csv:4", (-1, NO_SEQ)),
    ],
)
def test_a_dead_letter_of_a_topic_names_its_record(source: str, position: tuple[int, int]) -> None:
    raw = b'{"type":"reject","id":"reject|%b","source":"%b","symbol":null}'
    found = entry_of(raw % (source.encode(), source.encode()), None, "test")
    assert (found.partition, found.record) == position


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"id":1}', b'{"id":"x","seq":"1"}', b"\xff"])
def test_what_is_no_event_is_named_by_its_position(raw: bytes) -> None:
    with pytest.raises(RecordedError, match=r"file:4: is no event"):
        entry_of(raw, None, "file:4")


def test_a_stretch_holds_the_records_from_its_start_to_before_its_stop() -> None:
    stretch = Coverage({0: 5, 1: 7}, {0: 8})
    assert [record for record in range(12) if stretch.holds(entry(record))] == [5, 6, 7]
    assert stretch.beyond(entry(8))
    assert not stretch.beyond(entry(7))
    assert [record for record in range(10) if stretch.holds(entry(record, 1))] == [7, 8, 9]
    assert stretch.holds(entry(0, 2))
    assert not stretch.holds(entry(6)._replace(seq=NO_SEQ))
    assert Coverage().holds(entry(6)._replace(seq=NO_SEQ))


def test_two_stretches_cover_what_both_do() -> None:
    both = Coverage({0: 5}, {0: 9}).both(Coverage({0: 3, 1: 2}, {0: 8}, frozenset({"ES"})))
    assert both == Coverage({0: 5, 1: 2}, {0: 8}, frozenset({"ES"}))
    assert both.both(Coverage(symbols=frozenset({"NQ"}))).symbols == frozenset()
    assert not both.holds(entry(6, symbol="NQ"))
    assert Coverage().whole
    assert not both.whole


def test_the_stretch_of_one_partition_is_that_of_events_in_many() -> None:
    spread = Coverage({0: 5}, {0: 9}, frozenset({"ES"})).spread(3)
    assert spread == Coverage({0: 5, 1: 5, 2: 5}, {0: 9, 1: 9, 2: 9}, frozenset({"ES"}))
    assert Coverage({}, {0: 9}).spread(2) == Coverage({}, {0: 9, 1: 9})
    assert Coverage().spread(3).whole
