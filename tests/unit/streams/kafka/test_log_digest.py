"""A record is known again by its position, its time and its bytes."""

from __future__ import annotations

import pytest

from tapeline.streams.kafka.log_digest import RecordDigest, digest_of
from tests.unit.streams.worker.log_records import Raw

RECORD = Raw(7, 1_764_000_060_000, b"{}")


def test_a_digest_holds_position_and_time_and_sixteen_digits_of_the_value() -> None:
    # `printf {} | sha256sum`
    assert digest_of(RECORD) == RecordDigest(7, 1_764_000_060_000, "44136fa355b3678a")
    assert str(digest_of(RECORD)) == "offset 7 (time 1764000060000, hash 44136fa355b3678a)"


@pytest.mark.parametrize(
    "other", [Raw(8, RECORD[1], b"{}"), Raw(7, 0, b"{}"), Raw(7, RECORD[1], None)]
)
def test_another_position_time_or_value_is_another_record(other: Raw) -> None:
    assert digest_of(other) != digest_of(RECORD)
