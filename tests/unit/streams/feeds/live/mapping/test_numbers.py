"""Numbers and times of messages are read strictly."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.schemas.config.feed_mapping import TimeField
from tapeline.streams.feeds.live.mapping.numbers import (
    RowError,
    decode,
    instant_reader,
    label_reader,
    price_reader,
    read_volume,
)

START_MS = 1_796_049_060_000


@pytest.mark.parametrize(
    ("json_text", "price"),
    [
        ("41.02", 41.02),
        ('"41.02"', 41.02),
        ("41", 41.0),
        ('"-3.5e-1"', -0.35),
        ("4.102e1", 41.02),
        ("123456789012345678", 123456789012345680.0),
        ("0.30000000000000004", 0.30000000000000004),
    ],
)
def test_a_price_is_its_decimal_text_in_quotes_or_not(json_text: str, price: float) -> None:
    value = decode(json_text.encode())
    if json_text.isdecimal() and len(json_text) > 15:
        # A double holds another number.
        with pytest.raises(RowError, match="off_tick"):
            price_reader(nearest=False)(value)
        assert price_reader(nearest=True)(value) == price
    else:
        assert price_reader(nearest=False)(value) == price


@pytest.mark.parametrize(
    "value",
    [
        *(
            "NaN",
            "nan",
            "Infinity",
            "-inf",
            "1e400",
            "1,5",
            "",
            " 1",
            "1_000",
            "0x10",
            "٣",
            "1.",
            ".5",
        ),
        *(True, False, None, [], {}, "1" * 500, int("9" * 500)),
    ],
)
def test_what_is_no_price_is_a_bad_price(value: Any) -> None:
    with pytest.raises(RowError) as caught:
        price_reader(nearest=True)(value)
    assert caught.value.code == "bad_price"
    assert len(caught.value.reason) < 120


def test_digits_that_no_double_holds_are_off_every_tick_or_rounded_when_asked() -> None:
    value = "41.0200000000000001"
    with pytest.raises(RowError) as caught:
        price_reader(nearest=False)(value)
    assert caught.value.code == "off_tick"
    assert price_reader(nearest=True)(value) == 41.02


@given(st.decimals(min_value=0, max_value=10**7, places=4))
def test_a_price_of_four_decimals_is_its_nearest_double(number: Any) -> None:
    text = format(number, "f")
    assert price_reader(nearest=False)(text) == float(text)
    assert price_reader(nearest=False)(decode(text.encode())) == float(text)


@pytest.mark.parametrize(
    ("value", "volume"),
    [(5120, 5120), ("5120", 5120), ("12.408", 12.408), ("5120.0", 5120), ("0", 0), (-1, -1)],
)
def test_a_volume_is_a_number_in_quotes_or_not(value: Any, volume: float) -> None:
    found = read_volume(value)
    assert found == volume
    assert type(found) is type(volume)


@pytest.mark.parametrize("value", ["NaN", "1e999", "1,5", "", True, [], 10**30, "9" * 30])
def test_what_is_no_volume_is_a_bad_volume(value: Any) -> None:
    with pytest.raises(RowError) as caught:
        read_volume(value)
    assert caught.value.code == "bad_volume"


@pytest.mark.parametrize(
    ("unit", "value"),
    [
        ("ms", START_MS),
        ("ms", str(START_MS)),
        ("s", START_MS // 1000),
        ("s", "1796049060.000"),
        ("us", START_MS * 1000),
        ("ns", START_MS * 1_000_000),
        ("ns", str(START_MS * 1_000_000)),
        ("rfc3339", "2026-11-30T14:31:00Z"),
        ("rfc3339", "2026-11-30T14:31:00.000000000Z"),
        ("rfc3339", "2026-11-30T09:31:00-05:00"),
    ],
)
def test_a_time_is_read_in_its_unit(unit: Any, value: Any) -> None:
    assert instant_reader(TimeField(path="t", unit=unit))(value) == START_MS


@pytest.mark.parametrize(
    ("unit", "value"),
    [
        ("ms", True),
        ("ms", "1796049060000.5"),
        ("ms", 10**30),
        ("ms", "soon"),
        ("ms", None),
        ("s", "1e400"),
        ("s", "NaN"),
        ("ns", START_MS * 1_000_000 + 1),
        ("rfc3339", "2026-11-30T14:31:00"),
        ("rfc3339", "2026-11-30T14:31:00.0005Z"),
        ("rfc3339", START_MS),
        ("rfc3339", str(START_MS)),
        ("rfc3339", "9" * 1000),
    ],
)
def test_what_is_no_time_is_refused(unit: Any, value: Any) -> None:
    with pytest.raises(RowError) as caught:
        instant_reader(TimeField(path="t", unit=unit))(value)
    assert caught.value.code == "schema_error"


@pytest.mark.parametrize(
    ("wall", "zone", "code"),
    [
        ("2026-11-01T01:30:00", "America/New_York", "ambiguous_time"),
        ("2026-03-08T02:30:00", "America/New_York", "schema_error"),
        ("2026-10-25T02:30:00", "Europe/Berlin", "ambiguous_time"),
    ],
)
def test_a_local_time_that_is_no_one_instant_is_refused(wall: str, zone: str, code: str) -> None:
    read = instant_reader(TimeField(path="t", unit="local", zone=zone))
    with pytest.raises(RowError) as caught:
        read(wall)
    assert caught.value.code == code


def test_a_local_time_follows_its_zone_through_the_year() -> None:
    read = instant_reader(TimeField(path="t", unit="local", zone="America/New_York"))
    assert read("2026-11-30 09:31:00") == START_MS
    assert read("2026-10-30T10:31:00") == START_MS - 31 * 86_400 * 1_000


@pytest.mark.parametrize(
    ("stamp", "late_ms"), [("open", 0), ("close", 300_000), ("last_ms", 299_999)]
)
def test_a_label_is_the_start_whatever_the_stamp(stamp: Any, late_ms: int) -> None:
    read = label_reader(TimeField(path="t", unit="ms", stamp=stamp))
    message = {"t": START_MS + late_ms}
    assert read(message, message, 300_000) == START_MS


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the message is empty"),
        (b"\xff\xfe\x00", "the message is not UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', "the message is not UTF-8"),
        (b"[NaN]", "the message is not JSON"),
        (b"{", "the message is not JSON"),
        (b"[" * 10_000 + b"]" * 10_000, "the message is nested too deeply"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "the message is nested too deeply"),
        (b"[" * 10_000, "the message is nested too deeply"),
        (b"\x00\x01\x02", "the message is not JSON"),
    ],
)
def test_a_message_that_is_none_has_one_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}$"):
        decode(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_value_error(data: bytes) -> None:
    try:
        decode(data)
    except ValueError:
        return
    json.loads(data)
