"""CreateTime as the contract has it: what differs, of bars that a close cuts short, too."""

from __future__ import annotations

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.instants import MINUTE_MS
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.streams.kafka.stamps import Stamps

CONFIG = read_config(
    '[instruments.AAA]\ntick = 0.01\ncalendar = "24/7"\n'
    '[instruments.HOUR]\ntick = 0.01\ncalendar = "XNYS"\nbase = "60m"\n',
    "test",
)
START = 1_765_238_400_000  # 2025-12-09 00:00 UTC
LAST_HOUR = 1_765_312_200_000  # 15:30 in New York; the close comes half an hour later
END = START + MINUTE_MS


def bar(
    symbol: str = "AAA", interval: str = "1m", start_ms: int = START, price: float = 1.0
) -> Bar:
    return Bar(symbol, interval, start_ms, price, price, price, price)


@pytest.mark.parametrize(
    ("record", "stamp_ms", "untimed"),
    [
        (bar(), END, False),
        (bar(), START, True),
        (bar(), END + 1, True),
        (bar(), END - 1, True),
        (bar(), -1, True),
        (Cancel("AAA", "1m", START), END, False),
        (Cancel("AAA", "1m", START), START, True),
        (Clock("AAA", END), END, False),
        (Clock("AAA", END), END + 1, True),
        (bar("HOUR", "60m", LAST_HOUR), LAST_HOUR + 30 * MINUTE_MS, False),
        (bar("HOUR", "60m", LAST_HOUR), LAST_HOUR + 60 * MINUTE_MS, False),
        (bar("HOUR", "60m", LAST_HOUR), LAST_HOUR + 29 * MINUTE_MS, True),
        # What is not valid has no end: it is published with the time of the record before it.
        (bar(interval="?"), START, False),
        (bar(interval="5m"), START, False),
        (bar(start_ms=START + 1), START, False),
        (bar(price=1.001), START, False),
        (bar("ES-NQ"), START, False),
        (Clock("AAA", 1_000), END, False),
    ],
    ids=str,
)
def test_a_record_is_untimed_that_is_valid_and_has_another_create_time_than_its_end(
    record: LogRecord, stamp_ms: int, untimed: bool
) -> None:
    assert Stamps(CONFIG).untimed(record, stamp_ms) is untimed


def test_a_record_before_1970_is_stamped_with_the_first_time_that_kafka_knows() -> None:
    early = read_config(
        '[time]\nearliest = "1900-01-01"\n[instruments.AAA]\ntick = 0.01\ncalendar = "24/7"\n', ""
    )
    assert Stamps(early).untimed(bar(start_ms=-START), 0) is False
    assert Stamps(early).untimed(bar(start_ms=-START), 1) is True
