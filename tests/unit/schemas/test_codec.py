"""Bytes of records and events: what is decoded, what is refused and how."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields

from tapeline.schemas import registry
from tapeline.schemas.codec import (
    RECORD_LIMIT_BYTES,
    CodecError,
    FeedEventDecoder,
    RecordDecoder,
    decode_event,
    decode_host_event,
    encode,
    encode_lines,
    normal_volume,
    plain,
)
from tapeline.schemas.documents.examples import event_examples, record_examples, retract_example
from tapeline.schemas.events import Event, Reject, Retract, retracted, type_of
from tapeline.schemas.feed_events import FeedEvent, Unnumbered
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord

BAR: dict[str, Any] = {
    "type": "bar",
    "symbol": "ES",
    "interval": "1m",
    "start_ms": 1765204020000,
    "open": 6944.0,
    "high": 6944.25,
    "low": 6943,
    "close": 6943.5,
}


def bar_bytes(**changes: Any) -> bytes:
    return json.dumps({**BAR, **changes}).encode()


def refusal(raw: bytes) -> CodecError:
    with pytest.raises(CodecError) as caught:
        RecordDecoder().decode(raw)
    return caught.value


int64 = st.integers(-(2**63), 2**63 - 1)
names = st.text(
    st.characters(codec="utf-8", exclude_categories=("Z", "C"), exclude_characters="|"),
    min_size=1,
    max_size=64,
)
prices = st.floats(allow_nan=False, allow_infinity=False)
records: st.SearchStrategy[LogRecord] = st.one_of(
    st.builds(
        Bar,
        symbol=names,
        interval=st.sampled_from(["1m", "240m"]),
        start_ms=int64,
        open=prices,
        high=prices,
        low=prices,
        close=prices,
        volume=st.one_of(st.none(), int64, prices),
        source=st.sampled_from([None, "live", "file", "fill"]),
    ),
    st.builds(Cancel, symbol=names, interval=st.just("1m"), start_ms=int64),
    st.builds(Clock, symbol=names, time_ms=int64),
)


@given(records)
def test_a_record_comes_back_as_it_was_written(record: LogRecord) -> None:
    assert RecordDecoder().decode(encode(record)) == record


@pytest.mark.parametrize("record", record_examples().values(), ids=lambda record: repr(record)[:5])
def test_the_bytes_of_a_record_are_stable(record: LogRecord) -> None:
    raw = encode(record)
    assert encode(RecordDecoder().decode(raw)) == raw
    assert b" " not in raw


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "truncated"),
        (b"not json", "malformed"),
        (b'{"type":"bar","symbol":"ES"', "truncated"),
        (b'{"type":"clock","symbol":"ES","time_ms":1.5,', "truncated"),
        (b'{"type":"clock","symbol":"ES","time_ms":1}{}', "trailing"),
        (b'\xef\xbb\xbf{"type":"clock","symbol":"ES","time_ms":1}', "malformed"),
        (b'{"type":"clock","symbol":"E\xff","time_ms":1}', "not UTF-8 (byte 27)"),
        (b'{"type":"clock","symbol":1,"time_ms":1,"\xff":1}', "not UTF-8"),
        (b'{"type":"clock","symbol":"\\ud800","time_ms":1}', "surrogate"),
        (b"\x00\x01\x02", "malformed"),
        pytest.param(b"[" * 100_000, "nested too deeply", id="100,000 brackets"),
        (bar_bytes().replace(b"6944.0", b"NaN"), "malformed"),
    ],
)
def test_bytes_that_are_no_json_are_a_decode_error(raw: bytes, reason: str) -> None:
    error = refusal(raw)
    assert error.code == "decode_error"
    assert reason in error.reason


@pytest.mark.parametrize(
    ("raw", "field", "reason"),
    [
        (b"null", "", "Expected `object`"),
        (b"[]", "", "Expected `object`"),
        (b"{}", "type", "missing required field"),
        (bar_bytes(type="trade"), "$.type", "Invalid value 'trade'"),
        (bar_bytes(type=1), "$.type", "Expected `str`"),
        (bar_bytes(open="6944"), "$.open", "Expected `float`, got `str`"),
        (bar_bytes(open=None), "$.open", "got `null`"),
        (bar_bytes(open=True), "$.open", "got `bool`"),
        (bar_bytes(start_ms=1.0), "$.start_ms", "Expected `int`, got `float`"),
        (bar_bytes(start_ms="2025-12-08"), "$.start_ms", "got `str`"),
        (bar_bytes(start_ms=2**63), "$.start_ms", "<= 9223372036854775807"),
        (bar_bytes(start_ms=-(2**63) - 1), "$.start_ms", ">= -9223372036854775808"),
        pytest.param(
            bar_bytes().replace(b"1765204020000", b"1" * 5_000),
            "$.start_ms",
            "out of range",
            id="5,000 digits",
        ),
        (bar_bytes(volume=2**63), "$.volume", "<= 9223372036854775807"),
        (bar_bytes(volume="7"), "$.volume", "got `str`"),
        (bar_bytes().replace(b"6944.0", b"1e400"), "$.open", "out of range"),
        (bar_bytes(source="guess"), "$.source", "Invalid enum value 'guess'"),
        (bar_bytes(spread=1), "spread", "unknown field"),
        (b'{"type":"bar","symbol":"ES"}', "interval", "missing required field"),
        (b'{"type":"clock","symbol":"ES"}', "time_ms", "missing required field"),
        (
            b'{"type":"clock","symbol":"ES","time_ms":9223372036854775808}',
            "$.time_ms",
            "<= 9223372036854775807",
        ),
        (
            b'{"type":"cancel","symbol":"ES","interval":"1m","start_ms":9223372036854775808}',
            "$.start_ms",
            "<= 9223372036854775807",
        ),
        (bar_bytes(symbol=""), "$.symbol", "1 to 64 characters"),
        (bar_bytes(symbol="E" * 65), "$.symbol", "1 to 64 characters"),
        (bar_bytes(symbol="E S"), "$.symbol", "whitespace"),
        (bar_bytes(symbol="E|S"), "$.symbol", "'|'"),
        (bar_bytes(symbol="E\x00S"), "$.symbol", "control characters"),
    ],
)
def test_json_of_another_shape_is_a_schema_error_that_names_the_field(
    raw: bytes, field: str, reason: str
) -> None:
    error = refusal(raw)
    assert error.code == "schema_error"
    assert field in error.reason
    assert reason in error.reason


def test_integers_of_exactly_64_bits_are_taken() -> None:
    record = RecordDecoder().decode(bar_bytes(start_ms=-(2**63), volume=2**63 - 1))
    assert isinstance(record, Bar)
    assert (record.start_ms, record.volume) == (-(2**63), 2**63 - 1)


def test_a_huge_float_volume_is_left_to_the_core() -> None:
    record = RecordDecoder().decode(bar_bytes(volume=1e30))
    assert isinstance(record, Bar)
    assert record.volume == 1e30


@pytest.mark.parametrize(
    ("raw", "symbol"),
    [
        (bar_bytes(open="x"), "ES"),
        (bar_bytes(start_ms=2**63), "ES"),
        (b'{"symbol":"NQ"}', "NQ"),
        (bar_bytes(symbol=7), None),
        (bar_bytes(symbol="E|S"), None),
        (b'{"symbol":"NQ"', None),
        (b"[]", None),
    ],
)
def test_a_refusal_names_the_symbol_where_it_can_be_read(raw: bytes, symbol: str | None) -> None:
    assert refusal(raw).symbol == symbol


def test_a_bad_symbol_is_refused_again_after_good_ones() -> None:
    decoder = RecordDecoder()
    for _ in range(2):
        decoder.decode(bar_bytes())
        with pytest.raises(CodecError):
            decoder.decode(bar_bytes(symbol="E|S"))


def test_a_refusal_survives_a_process_boundary() -> None:
    error = refusal(bar_bytes(open="x"))
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.code, copy.reason, copy.symbol) == (error.code, error.reason, error.symbol)


@given(st.binary(max_size=200))
def test_whatever_is_no_record_is_a_codec_error(raw: bytes) -> None:
    with pytest.raises(CodecError):
        RecordDecoder().decode(b"[" + raw)


EVENTS = [*event_examples().values(), retract_example()]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_as_it_was_written(
    event: Event | Retract | Unnumbered | HostEvent,
) -> None:
    raw = encode(event)
    decode: Any = decode_event
    if isinstance(event, FeedEvent):
        decode = FeedEventDecoder().decode
    elif isinstance(event, HostEvent):
        decode = decode_host_event
    assert decode(raw) == event
    assert encode(decode(raw)) == raw


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_absent_values_are_null_and_never_left_out(event: Event | Retract | Unnumbered) -> None:
    written = json.loads(encode(event))
    names = {field.encode_name for field in fields(event)}
    assert set(written) == names | {"type"}


def test_lines_of_events_are_their_encodings_one_below_the_other() -> None:
    assert encode_lines(EVENTS) == b"".join(encode(event) + b"\n" for event in EVENTS)
    assert encode_lines([]) == b""


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_as_plain_data_is_its_json_in_the_same_order(
    event: Event | Retract | Unnumbered,
) -> None:
    assert json.dumps(plain(event)) == json.dumps(json.loads(encode(event)))


def test_a_retract_is_of_the_type_of_the_fact_it_takes_back() -> None:
    examples = event_examples()
    for kind in registry.EVENTS.facts:
        fact = examples[kind]
        assert not isinstance(fact, Reject | FeedEvent)
        assert type_of(fact) == type_of(retracted(fact, 1, 1, 2, 3)) == kind


def test_outputs_and_operations_of_feeds_have_decoders_of_their_own() -> None:
    examples = event_examples()
    with pytest.raises(CodecError, match="Invalid value 'hole'"):
        decode_event(encode(examples["hole"]))
    with pytest.raises(CodecError, match="Invalid value 'touch'"):
        FeedEventDecoder().decode(encode(examples["touch"]))
    with pytest.raises(CodecError, match="decode_error"):
        FeedEventDecoder().decode(encode(examples["hole"])[:-1])


@pytest.mark.parametrize("kind", registry.EVENTS.hosted)
def test_events_of_hosts_have_a_decoder_of_their_own(kind: str) -> None:
    event: Any = event_examples()[kind]
    assert decode_host_event(encode(event)) == event
    assert json.dumps(plain(event)) == json.dumps(json.loads(encode(event)))
    with pytest.raises(CodecError, match=f"Invalid value '{kind}'"):
        decode_event(encode(event))
    with pytest.raises(CodecError, match="Invalid value 'touch'"):
        decode_host_event(encode(event_examples()["touch"]))
    with pytest.raises(CodecError, match="decode_error"):
        decode_host_event(encode(event)[:-1])


def test_no_event_of_a_host_is_taken_back() -> None:
    written = {**json.loads(encode(retract_example())), "type": "signal"}
    for decode in (decode_event, decode_host_event):
        with pytest.raises(CodecError, match="schema_error"):
            decode(json.dumps(written).encode())


def test_a_retract_of_every_type_is_decoded_as_one() -> None:
    for event_type in registry.EVENTS.facts:
        written = {**json.loads(encode(retract_example())), "type": event_type}
        decoded = decode_event(json.dumps(written).encode())
        assert isinstance(decoded, Retract)
        assert decoded.type == event_type


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "bar"}, "Invalid value 'bar' - at `$.type`"),
        ({"type": None}, "$.type"),
        ({"op": "delete"}, "$.op"),
        ({"price": "high"}, "$.price"),
        ({"bar_ms": 1.5}, "$.bar_ms"),
    ],
)
def test_an_event_of_another_shape_is_a_schema_error(change: dict[str, Any], reason: str) -> None:
    written = {**json.loads(encode(event_examples()["touch"])), **change}
    with pytest.raises(CodecError) as caught:
        decode_event(json.dumps(written).encode())
    assert caught.value.code == "schema_error"
    assert reason in caught.value.reason


def test_an_event_without_a_field_is_a_schema_error() -> None:
    written = json.loads(encode(event_examples()["touch"]))
    del written["corrects"]
    with pytest.raises(CodecError, match="corrects"):
        decode_event(json.dumps(written).encode())


def test_a_field_of_a_later_version_is_passed_over() -> None:
    touch = event_examples()["touch"]
    written = {**json.loads(encode(touch)), "since": 2}
    assert decode_event(json.dumps(written).encode()) == touch


def test_a_record_beyond_the_limit_is_a_decode_error_whatever_it_holds() -> None:
    bar = encode(Bar("ES", "1m", 0, 1.0, 1.0, 1.0, 1.0, 1))
    assert RecordDecoder().decode(bar.ljust(RECORD_LIMIT_BYTES)).symbol == "ES"
    with pytest.raises(CodecError) as caught:
        RecordDecoder().decode(bar.ljust(RECORD_LIMIT_BYTES + 1))
    assert (caught.value.code, caught.value.symbol) == ("decode_error", None)
    assert str(RECORD_LIMIT_BYTES) in caught.value.reason


def test_half_an_event_is_a_decode_error() -> None:
    with pytest.raises(CodecError) as caught:
        decode_event(encode(event_examples()["touch"])[:-5])
    assert caught.value.code == "decode_error"


@pytest.mark.parametrize(
    ("volume", "written"),
    [
        (None, "null"),
        (0, "0"),
        (0.0, "0"),
        (-0.0, "0"),
        (7, "7"),
        (1312.0, "1312"),
        (0.5, "0.5"),
        (2.0**53 - 1, "9007199254740991"),
        (2.0**53, "9007199254740992"),
        (1e16, "1e16"),
        (2**60, str(2**60)),
        (-3.0, "-3"),
    ],
)
def test_a_whole_volume_is_written_without_a_point(
    volume: int | float | None, written: str
) -> None:
    bar = Bar("ES", "1m", 0, 1.0, 1.0, 1.0, 1.0, normal_volume(volume))
    assert f'"volume":{written},'.encode() in encode(bar)


@pytest.mark.parametrize("volume", [float("inf"), float("-inf")])
def test_an_infinite_volume_stays_for_the_core_to_refuse(volume: float) -> None:
    assert normal_volume(volume) == volume


@given(st.one_of(st.integers(), st.floats(allow_nan=False)))
def test_a_normal_volume_is_the_same_number(volume: int | float) -> None:
    assert normal_volume(volume) == volume
