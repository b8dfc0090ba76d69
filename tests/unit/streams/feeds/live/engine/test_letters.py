"""Dead letters of a feed, ten a minute of each kind."""

from __future__ import annotations

from tapeline.streams.feeds.live.engine.letters import GREATEST_RAW, Letters
from tapeline.streams.feeds.live.model import Instant


def test_the_eleventh_letter_of_a_kind_in_a_minute_is_counted_only() -> None:
    letters = Letters("mine")
    written = [
        len(letters.write("schema_error", "x", b"{}", None, Instant(ms, 1_000_000 + ms)))
        for ms in range(0, 180_000, 100)
    ]
    assert sum(written) == 30
    assert letters.withheld == {"schema_error": 1_770}
    for first in range(1_200):
        assert sum(written[first : first + 600]) <= 10


def test_kinds_have_limits_of_their_own() -> None:
    letters = Letters("mine")
    now = Instant(0, 0)
    for _ in range(20):
        letters.write("schema_error", "x", b"", None, now)
    assert len(letters.write("bad_price", "x", b"", "ACME", now)) == 1


def test_a_letter_names_feed_time_and_number_and_keeps_the_beginning_of_a_long_message() -> None:
    letters = Letters("mine")
    first, second = (
        letters.write("bad_price", "no number", b"y" * 100_000, "ACME", Instant(5, 1_796_049_060))[
            0
        ]
        for _ in range(2)
    )
    assert first.source == "feed:mine:1796049060:1"
    assert second.source == "feed:mine:1796049060:2"
    assert (first.symbol, first.raw) == ("ACME", b"y" * GREATEST_RAW)
