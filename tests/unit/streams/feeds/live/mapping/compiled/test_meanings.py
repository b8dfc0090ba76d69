"""What messages mean, by tables of one's own."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.schemas.config.feed_loading import preset_names
from tapeline.schemas.instants import MINUTE_MS, iso_date
from tapeline.schemas.records import Bar
from tapeline.streams.feeds.live.mapping.rows import KEPT_OF_MESSAGE
from tapeline.streams.feeds.live.model import Alive, Notice, Statement, Unasked, Unreadable
from tests.feed_mappings import (
    OWN,
    OWN_BAR,
    START_MS,
    TAPES,
    mapping_of,
    meant,
    preset_mapping,
    row,
)

MAPPING = mapping_of(OWN + OWN_BAR)
BAR = Bar("ACME", "1m", START_MS, 1.5, 2.0, 1.0, 1.75, 7)


def message(*rows: Any, **others: Any) -> bytes:
    return json.dumps({"rows": rows, **others}).encode()


def test_a_message_holds_many_bars() -> None:
    found = meant(MAPPING, message(row(), row(s="xyz", v=None), row(s="acme", o=1)))
    assert found == [
        Statement(BAR, True),
        Statement(msgspec.structs.replace(BAR, symbol="XYZ", volume=None), True),
        Statement(msgspec.structs.replace(BAR, open=1.0), True),
    ]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"o": "NaN"}, "bad_price"),
        ({"h": "1e400"}, "bad_price"),
        ({"l": "1,5"}, "bad_price"),
        ({"c": True}, "bad_price"),
        ({"c": None}, "bad_price"),
        ({"o": 10**40 + 1}, "off_tick"),
        ({"v": "many"}, "bad_volume"),
        ({"t": "soon"}, "schema_error"),
        ({"t": None}, "schema_error"),
        ({"s": ["acme"]}, "schema_error"),
    ],
)
def test_a_row_that_is_no_bar_spoils_no_other(fields: dict[str, Any], code: str) -> None:
    data = message(row(), row(**fields), row(s="xyz"))
    first, letter, last = meant(MAPPING, data)
    assert isinstance(first, Statement)
    assert isinstance(last, Statement)
    assert isinstance(letter, Unreadable)
    assert (letter.code, letter.raw) == (code, data)
    assert letter.symbol == (None if "s" in fields else "ACME")


def test_a_dead_letter_of_a_long_message_holds_the_row_alone() -> None:
    data = message(*[row() for _ in range(100)], row(o="x" * 10))
    letter = meant(MAPPING, data)[-1]
    assert isinstance(letter, Unreadable)
    assert json.loads(letter.raw) == row(o="x" * 10)
    assert len(data) > KEPT_OF_MESSAGE >= len(letter.raw)


@pytest.mark.parametrize("name", ["ACME", "Acme", "other", "acme "])
def test_a_symbol_of_other_letters_was_not_asked_for(name: str) -> None:
    assert meant(MAPPING, message(row(s=name))) == [Unasked(name)]


def test_a_number_may_be_the_name_of_a_symbol() -> None:
    mapping = mapping_of(OWN.replace('"acme"', '"7001"') + OWN_BAR)
    assert meant(mapping, message(row(s=7001))) == [Statement(BAR, True)]


def test_the_only_symbol_needs_no_name() -> None:
    text = OWN.replace(', XYZ = "xyz"', "") + OWN_BAR.replace('symbol = "s"', "")
    assert meant(mapping_of(text), message(row(s="any"))) == [Statement(BAR, True)]


def test_bars_of_another_interval_are_passed_over() -> None:
    text = "[instruments.XYZ]\nbase = '5m'\n" + OWN + OWN_BAR + 'interval = "i"\n'
    mapping = mapping_of(text)
    rows = [row(i=60), row(i="300"), row(s="xyz", i=60), row(s="xyz", i="300"), row()]
    found = meant(mapping, message(*rows))
    assert [
        (each.bar.symbol, each.bar.interval) for each in found if isinstance(each, Statement)
    ] == [
        ("ACME", "1m"),
        ("XYZ", "5m"),
    ]
    assert len(found) == 2


def test_a_table_of_symbols_is_read_by_its_keys() -> None:
    text = OWN + OWN_BAR.replace('"rows[*]"', '"rows.{symbol}"').replace('symbol = "s"', "")
    data = json.dumps({"rows": {"acme": row(), "none": row()}}).encode()
    assert meant(mapping_of(text), data) == [Statement(BAR, True), Unasked("none")]


def test_a_message_may_name_a_symbol_by_its_topic() -> None:
    session = "[feeds.mine.session]\ntopic = 'kline.{interval}.{symbol:upper}'\n"
    bar = OWN_BAR.replace('symbol = "s"', 'symbol = "$.topic"')
    mapping = mapping_of(OWN + session + bar)
    assert meant(mapping, message(row(s=None), topic="kline.60.ACME")) == [Statement(BAR, True)]
    assert meant(mapping, message(row(s=None), topic="kline.300.ACME")) == [
        Unasked("kline.300.ACME")
    ]


def test_bars_may_stand_in_several_forms_of_messages() -> None:
    bar = OWN_BAR.replace('"rows[*]"', '["rows[*]", "row", ""]') + 'where = { o = "1.5" }\n'
    mapping = mapping_of(OWN + bar)
    assert meant(mapping, message(row(), row())) == [Statement(BAR, True)] * 2
    assert meant(mapping, json.dumps({"row": row()}).encode()) == [Statement(BAR, True)]
    assert meant(mapping, json.dumps(row()).encode()) == [Statement(BAR, True)]
    assert meant(mapping, message()) == []
    (letter,) = meant(mapping, json.dumps({"row": row(o=2)}).encode())
    assert isinstance(letter, Unreadable)


def test_fields_of_prices_are_never_those_of_the_message_around() -> None:
    data = message({key: value for key, value in row().items() if key != "o"}, o=99)
    (letter,) = meant(MAPPING, data)
    assert isinstance(letter, Unreadable)
    assert letter.code == "bad_price"


NOTICES = """
[feeds.mine.session]
alive = { where = { type = "hb" }, every = "5s", sent = { path = "at", unit = "s" } }
[[feeds.mine.notice]]
where = { type = ["ignored", "bye"] }
means = "nothing"
[[feeds.mine.notice]]
where = { type = "end" }
means = "marker"
start = { path = "to", unit = "ms", stamp = "close" }
[[feeds.mine.notice]]
where = { type = "gone" }
means = "removed"
symbol = "s"
start = { path = "t", unit = "ms" }
[[feeds.mine.notice]]
where = { type = ["busy", "full"] }
means = "refused"
wait = "30s"
text = "why"
"""
NOTICED = mapping_of(OWN + OWN_BAR + NOTICES)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"type": "hb", "at": START_MS // 1000}, Alive(START_MS)),
        ({"type": "hb"}, Alive()),
        ({"type": "end", "to": START_MS}, Notice("marker", None, START_MS - MINUTE_MS)),
        ({"type": "gone", "s": "xyz", "t": START_MS + 7}, Notice("removed", "XYZ", START_MS)),
        ({"type": "gone", "s": "other", "t": START_MS}, Unasked("other")),
        ({"type": "full", "why": "later"}, Notice("refused", wait_ms=30_000, text="later")),
    ],
)
def test_a_message_that_is_no_bar_may_be_a_notice(fields: dict[str, Any], expected: Any) -> None:
    assert meant(NOTICED, json.dumps(fields).encode()) == [expected]
    assert meant(NOTICED, json.dumps([fields, fields]).encode()) == [expected, expected]


def test_a_message_of_no_bars_may_be_a_heartbeat() -> None:
    assert meant(NOTICED, message(type="hb")) == [Alive()]
    assert meant(NOTICED, message(row(), type="hb")) == [Statement(BAR, True)]


def test_what_a_provider_writes_is_shown_without_secrets() -> None:
    data = json.dumps({"type": "busy", "why": 'key quoted"key is busy'}).encode()
    assert meant(NOTICED, data) == [Notice("refused", wait_ms=30_000, text="key *** is busy")]


def test_a_dead_letter_holds_no_secret() -> None:
    for more in ({}, {"more": "x" * KEPT_OF_MESSAGE}):
        data = message(row(o='quoted"key', **more))
        (letter,) = meant(MAPPING, data)
        assert isinstance(letter, Unreadable)
        assert letter.code == "bad_price"
        assert b"quoted" not in letter.raw
        assert "quoted" not in letter.reason
        assert b"quoted" not in MAPPING.without_secrets(data + b"}")


@pytest.mark.parametrize("kind", [{"type": "news"}, {}, None, 5, "text", {"rows": {"a": 1}}])
def test_a_message_of_any_other_kind_is_a_dead_letter(kind: Any) -> None:
    # A list of names or numbers is one thing.
    several = 2 if isinstance(kind, dict) else 1
    for count, value in ((1, kind), (several, [kind, kind])):
        found = meant(NOTICED, json.dumps(value).encode())
        assert [type(each) for each in found] == [Unreadable] * count
        assert {each.code for each in found if isinstance(each, Unreadable)} == {"schema_error"}


@pytest.mark.parametrize("known", [[], {"rows": []}, {"type": "ignored"}, {"type": "bye", "ok": 1}])
def test_a_message_that_is_known_may_mean_nothing(known: Any) -> None:
    assert meant(NOTICED, json.dumps(known).encode()) == []


def test_a_webhook_is_authorised_by_a_value_of_the_message() -> None:
    text = OWN.replace('"websocket"', '"webhook"').replace(
        "wss://feed.example", "http://127.0.0.1:1"
    )
    secret = 'secret = { path = "key", equals = "${FEED_KEY}" }\n'
    mapping = mapping_of(text + secret + OWN_BAR)
    assert mapping.authorised({"key": 'quoted"key'})
    assert not mapping.authorised({"key": "another"})
    assert not mapping.authorised({})
    assert not mapping.authorised([])
    assert MAPPING.authorised({})


ALL = {name: preset_mapping(name) for name in preset_names()} | {"own": NOTICED}
OURS = {name: ["BTC"] for name in ("binance", "binance_usdm", "kraken")}
OURS |= {name: ["ACME"] for name in ALL if name not in OURS}
LINES = [line for path in sorted(TAPES.glob("*.jsonl")) for line in path.read_bytes().splitlines()]
MESSAGES = [msgspec.json.decode(line)["raw"] for line in LINES]
KEYS = [*"TStohlcvsek", "ev", "sym", "data", "rows", "type", "channel", "bars", "results"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(name=st.sampled_from(sorted(ALL)), data=st.binary(max_size=60))
def test_any_bytes_mean_something_or_are_a_value_error(name: str, data: bytes) -> None:
    mapping = ALL[name]
    try:
        parsed = mapping.parse(data)
    except ValueError:
        return
    mapping.meanings(parsed, data)


@given(
    name=st.sampled_from(sorted(ALL)),
    text=st.sampled_from(MESSAGES),
    at=st.integers(0, 400),
    cut=st.integers(0, 6),
    put=st.sampled_from(["", "null", "1e400", "[", "}", '"', "-", "9" * 30, "true", "\\ud800"]),
)
def test_a_damaged_message_means_something_or_is_a_value_error(
    name: str, text: str, at: int, cut: int, put: str
) -> None:
    mapping = ALL[name]
    data = (text[:at] + put + text[at + cut :]).encode()
    try:
        parsed = mapping.parse(data)
    except ValueError:
        return
    mapping.meanings(parsed, data)
    for step in range(mapping.steps):
        mapping.answer(step, None, parsed)
    for request in mapping.history(OURS[name], START_MS, START_MS):
        mapping.page(request, data)


@given(name=st.sampled_from(sorted(ALL)), value=json_values)
def test_any_value_means_something(name: str, value: Any) -> None:
    data = json.dumps(value, allow_nan=True).encode()
    try:
        parsed = ALL[name].parse(data)
    except ValueError:
        assert b"NaN" in data or b"Infinity" in data or b"\\ud" in data
        return
    ALL[name].meanings(parsed, data)


paths = st.sampled_from(["{}", "k.{}", "k.j.{}"])
UNITS = {"ms": 1, "s": 1000, "us": 1000, "ns": 1_000_000}


@st.composite
def mapped_bars(draw: st.DrawFn) -> tuple[str, bytes, Bar]:
    """Tables of a feed, a message by them, and the bar that it holds."""
    path = draw(paths)
    unit = draw(st.sampled_from(["ms", "s", "us", "ns", "rfc3339"]))
    stamp = draw(st.sampled_from(["open", "close", "last_ms"]))
    start_ms = draw(st.integers(0, 4_000_000)) * MINUTE_MS
    late_ms = {"open": 0, "close": MINUTE_MS, "last_ms": MINUTE_MS - 1}[stamp]
    stamped = start_ms + late_ms
    time: Any
    if unit == "rfc3339":
        seconds, ms = divmod(stamped, 1000)
        day, rest = divmod(seconds, 86_400)
        clock = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}.{ms:03d}Z"
        time = f"{iso_date(day)}T{clock}"
    else:
        scaled = (
            Decimal(stamped) / 1000
            if unit == "s"
            else stamped * (UNITS[unit] if unit != "ms" else 1)
        )
        time = str(scaled) if isinstance(scaled, Decimal) else scaled
    texts = [str(draw(st.decimals(min_value="0.01", max_value=99_999, places=2))) for _ in range(4)]
    quoted = draw(st.booleans())
    volume = draw(st.integers(0, 10**9))
    fields: dict[str, Any] = {"t": time, "v": str(volume) if quoted else volume, "s": "acme"}
    fields |= dict(zip("ohlc", texts, strict=True))
    body = json.dumps(fields)
    if not quoted:
        for text in texts:
            body = body.replace(f'"{text}"', text)
    for name in reversed(path.split(".")[:-1]):
        body = f'{{"{name}":{body}}}'
    at = {name: path.format(name) for name in "tohlcvs"}
    table = (
        f"[feeds.mine.bar]\nsymbol = '{at['s']}'\nvolume = '{at['v']}'\n"
        f"start = {{ path = '{at['t']}', unit = '{unit}', stamp = '{stamp}' }}\n"
        f"prices = {{ open = '{at['o']}', high = '{at['h']}', low = '{at['l']}', "
        f"close = '{at['c']}' }}"
    )
    open_, high, low, close = (float(text) for text in texts)
    bar = Bar("ACME", "1m", start_ms, open_, high, low, close, volume)
    return table, body.encode(), bar


@given(mapped_bars())
def test_a_bar_comes_out_of_any_mapping_as_it_went_in(drawn: tuple[str, bytes, Bar]) -> None:
    table, data, bar = drawn
    (found,) = meant(mapping_of(OWN + table), data)
    assert found == Statement(bar, True)


NAMED_FRAMES = (
    OWN_BAR.replace('each = "rows[*]"', 'each = "[1][*]"\nwhere = { "$[0]" = "bars" }')
    + """
[[feeds.mine.notice]]
where = { "[0]" = "halt" }
means = "halt"
symbol = "[1]"
"""
)


def test_a_frame_that_is_a_list_of_fields_means_one_thing() -> None:
    mapping = mapping_of(OWN + NAMED_FRAMES)
    assert meant(mapping, json.dumps(["bars", [row()]]).encode()) == [Statement(BAR, True)]
    assert meant(mapping, b'["halt","acme",3]') == [Notice("halt", "ACME")]
    (letter,) = meant(mapping, b'["news","quiet",3]')
    assert isinstance(letter, Unreadable)
