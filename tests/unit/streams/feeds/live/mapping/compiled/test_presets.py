"""Each shipped preset over its tape: what every message becomes.

The tapes are synthetic, after the documents of the providers; none was recorded from a service.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tapeline.schemas.config.feed_loading import preset_names
from tapeline.schemas.instants import MINUTE_MS
from tapeline.schemas.records import Bar
from tapeline.streams.feeds.live.engine.session import FeedSession
from tapeline.streams.feeds.live.mapping.compiled import Mapping
from tapeline.streams.feeds.live.model import (
    Alive,
    HistoryPage,
    Meaning,
    Notice,
    Statement,
    Unasked,
    Unreadable,
)
from tapeline.streams.feeds.live.tape import TapeMessage, tape_messages
from tests.feed_mappings import ENVIRONMENT, START_MS, TAPES, meant, preset_mapping

NEXT_MS = START_MS + MINUTE_MS


def acme(start_ms: int, prices: str, volume: int) -> Bar:
    return Bar("ACME", "1m", start_ms, *_four(prices), volume)


def btc(start_ms: int, prices: str, volume: float) -> Bar:
    return Bar("BTC", "1m", start_ms, *_four(prices), volume)


def _four(prices: str) -> tuple[float, float, float, float]:
    open_, high, low, close = (float(text) for text in prices.split())
    return open_, high, low, close


FIRST = acme(START_MS, "41.02 41.1 41.0 41.07", 5120)
UPDATED = acme(START_MS, "41.02 41.12 41.0 41.07", 5420)
SECOND = acme(NEXT_MS, "41.07 41.09 41.01 41.05", 2210)
OTHER = Bar("BRK.B", "1m", START_MS, 480.5, 480.75, 480.25, 480.6, 310)
OPEN_BTC = btc(START_MS, "61000.1 61015.0 60990.0 61008.0", 7.1)
EMPTY_BTC = btc(NEXT_MS, "61011.5 61011.5 61011.5 61011.5", 0)
TOLD = "massive: Maximum number of websocket connections exceeded."


def closed_btc(volume: float) -> Bar:
    return btc(START_MS, "61000.1 61020.0 60990.0 61011.5", volume)


def binance(volume: float) -> list[Sequence[Meaning | Bar]]:
    return [
        [],
        [Statement(OPEN_BTC, False, START_MS + 40_000)],
        [Statement(closed_btc(volume), True, NEXT_MS + 13)],
        [Statement(EMPTY_BTC, True, NEXT_MS + MINUTE_MS + 14, True)],
        [],
        [Notice("shutdown")],
        [closed_btc(volume), EMPTY_BTC],
    ]


EXPECTED: dict[str, list[Sequence[Meaning | Bar]]] = {
    "alpaca": [
        [],
        [],
        [],
        [Statement(FIRST, True), Statement(OTHER, True)],
        [Statement(UPDATED, True)],
        [Statement(SECOND, True), Unasked("OTHR")],
        [Notice("halt", "ACME", NEXT_MS + MINUTE_MS, text="News Pending")],
        [Notice("resume", "ACME", START_MS + 7 * MINUTE_MS)],
        [Notice("slow", text="slow client")],
        [UPDATED, OTHER],
    ],
    "massive": [
        [],
        [],
        [],
        [Statement(FIRST, True), Statement(OTHER, True)],
        [Statement(UPDATED, True)],
        [Notice("refused", wait_ms=30_000, text=TOLD.removeprefix("massive: "))],
        [UPDATED],
        [],
    ],
    "binance": binance(12.408),
    "binance_usdm": binance(412.408),
    "kraken": [
        [],
        [],
        [Notice("refused", "NONE", text="Currency pair not supported NONE/USD")],
        [Alive()],
        [Statement(btc(START_MS, "61000.1 61015.0 60990.0 61008.0", 0.71), None)],
        [Statement(closed_btc(1.408), None)],
        [closed_btc(1.408), EMPTY_BTC],
        [],
    ],
    "tradingview": [
        [Statement(FIRST, True, NEXT_MS)],
        [Statement(FIRST, True, NEXT_MS)],
        [],
        [],
    ],
}


def test_every_preset_has_a_tape() -> None:
    assert sorted(EXPECTED) == list(preset_names())
    assert sorted(path.stem for path in TAPES.glob("*.jsonl")) == list(preset_names())


def page_of(mapping: Mapping, message: TapeMessage) -> HistoryPage:
    (request, *_) = mapping.history(message.symbols, START_MS, START_MS + 10 * MINUTE_MS)
    return mapping.page(request, message.data)


def unreadable(preset: str, number: int) -> str:
    """Code of the dead letter that a message of a tape becomes, by its preset and line."""
    return {("tradingview", 3): "bad_volume"}.get((preset, number), "")


@pytest.mark.parametrize("preset", preset_names())
def test_each_message_of_a_tape_means_what_it_says(preset: str) -> None:
    mapping = preset_mapping(preset)
    messages = list(tape_messages(str(TAPES / f"{preset}.jsonl")))
    assert len(messages) == len(EXPECTED[preset])
    for message, expected in zip(messages, EXPECTED[preset], strict=True):
        if message.via == "history":
            assert list(page_of(mapping, message).rows) == expected
            continue
        if (preset, message.number) == ("tradingview", 4):
            with pytest.raises(ValueError, match="the message is not JSON"):
                mapping.parse(message.data)
            continue
        found = meant(mapping, message.data)
        letters = [each for each in found if isinstance(each, Unreadable)]
        assert [each.code for each in letters] == [
            code for code in [unreadable(preset, message.number)] if code
        ]
        rest = [each for each in found if not isinstance(each, Unreadable)]
        assert [_whole(each) for each in rest] == [_whole(each) for each in expected], message


def _whole(meaning: Meaning | Bar) -> Meaning | Bar:
    """A resumption without its text, which the tape alone has."""
    if isinstance(meaning, Notice) and meaning.means == "resume":
        return Notice("resume", meaning.symbol, meaning.start_ms)
    return meaning


@pytest.mark.parametrize(
    ("preset", "number", "problem", "next_page"),
    [
        ("alpaca", 10, "", "page_token=QUNNRXxN"),
        ("massive", 7, "", "?cursor=bGltaXQ"),
        ("massive", 8, "", ""),
        ("binance", 7, "", ""),
        ("kraken", 8, "EGeneral:Too many requests", ""),
    ],
)
def test_an_answer_has_a_next_page_or_a_problem(
    preset: str, number: int, problem: str, next_page: str
) -> None:
    mapping = preset_mapping(preset)
    messages = list(tape_messages(str(TAPES / f"{preset}.jsonl")))
    page = page_of(mapping, messages[number - 1])
    assert page.problem == problem
    assert (page.next is not None) is bool(next_page)
    if page.next is not None:
        assert page.next.http.url.endswith(next_page)
        assert page.next.page == 2


OPENED: dict[str, list[tuple[int, set[str] | None]]] = {
    # Lines of the tape that end the steps of a session, and what they acknowledge.
    "alpaca": [(1, None), (2, None), (3, {"ACME", "BRK.B"})],
    "massive": [(1, None), (2, None), (3, {"ACME", "BRK.B"})],
    "binance": [(1, {"BTC"})],
    "binance_usdm": [(1, {"BTC"})],
    "kraken": [(2, {"BTC"})],
    "tradingview": [],
}


@pytest.mark.parametrize("preset", preset_names())
def test_a_session_opens_with_the_answers_of_its_tape(preset: str) -> None:
    mapping = preset_mapping(preset)
    messages = list(tape_messages(str(TAPES / f"{preset}.jsonl")))
    symbols = ["ACME", "BRK.B"] if preset in ("alpaca", "massive") else ["BTC", "NONE"]
    if preset.startswith("binance"):
        symbols = ["BTC"]
    assert mapping.steps == len(OPENED[preset])
    for step, (line, acknowledged) in enumerate(OPENED[preset]):
        sent = mapping.messages(step, symbols)
        message = sent[0] if sent else None
        for each in messages[: line - 1]:
            assert mapping.answer(step, message, mapping.parse(each.data)).outcome == "other"
        answer = mapping.answer(step, message, mapping.parse(messages[line - 1].data))
        assert answer.outcome == "expected"
        if preset.startswith("binance"):
            # It confirms whatever is asked for, existing or not, and lists nothing.
            assert answer.acknowledged is None
        else:
            assert answer.acknowledged == acknowledged


@pytest.mark.parametrize("preset", [name for name in preset_names() if OPENED[name]])
def test_the_session_of_the_engine_opens_with_a_tape(preset: str) -> None:
    mapping = preset_mapping(preset)
    symbols = {"alpaca": ["ACME", "BRK.B"], "massive": ["ACME", "BRK.B"]}.get(preset, ["BTC"])
    session = FeedSession(mapping, symbols)
    sent = session.open(0)
    for message in tape_messages(str(TAPES / f"{preset}.jsonl")):
        if message.via == "stream" and not session.complete:
            sent += session.take(mapping.parse(message.data), message.number)
    assert session.complete
    assert session.problem == ""
    assert session.acknowledged == set(symbols)
    assert len(sent) == sum(len(mapping.messages(step, symbols)) for step in range(mapping.steps))


SENT = {
    "alpaca": (
        '{"action":"subscribe","bars":["ACME","BRK.B"],"updatedBars":["ACME","BRK.B"],'
        '"statuses":["ACME","BRK.B"]}'
    ),
    "massive": '{"action":"subscribe","params":"AM.ACME,AM.BRK.B"}',
    "binance": '{"method":"SUBSCRIBE","params":["btcusdt@kline_1m"],"id":1}',
    "binance_usdm": '{"method":"SUBSCRIBE","params":["btcusdt@kline_1m"],"id":1}',
    "kraken": (
        '{"method":"subscribe","params":{"channel":"ohlc","symbol":["BTC/USD","NONE/USD"],'
        '"interval":1,"snapshot":false},"req_id":1}'
    ),
}


@pytest.mark.parametrize("preset", SENT)
def test_what_a_session_asks_for_at_last(preset: str) -> None:
    mapping = preset_mapping(preset)
    symbols = {"kraken": ["BTC", "NONE"]}.get(preset, ["BTC"])
    if preset in ("alpaca", "massive"):
        symbols = ["ACME", "BRK.B"]
    (message,) = mapping.messages(mapping.steps - 1, symbols)
    assert message.text == SENT[preset]
    assert message.symbols == tuple(symbols)
    assert message.awaits


@pytest.mark.parametrize(
    ("preset", "line"),
    [
        ("alpaca", b'[{"T":"error","code":402,"msg":"auth failed"}]'),
        ("massive", b'[{"ev":"status","status":"auth_failed","message":"authentication failed"}]'),
    ],
)
def test_a_refused_key_is_fatal_and_in_no_text(preset: str, line: bytes) -> None:
    mapping = preset_mapping(preset)
    (message,) = mapping.messages(1, ["ACME"])
    key = next(value for name, value in ENVIRONMENT.items() if name.startswith(preset.upper()))
    assert key in message.text
    shown = line.replace(b'failed"}', f'failed for {key}"}}'.encode())
    answer = mapping.answer(1, message, mapping.parse(shown))
    assert answer.outcome == "fatal"
    assert "failed" in answer.text
    assert key not in answer.text


HISTORIES = {
    "alpaca": (
        "https://data.alpaca.markets/v2/stocks/bars?symbols=ACME,BRK.B&timeframe=1Min"
        "&start=2026-11-30T14%3A31%3A00Z&end=2026-11-30T14%3A41%3A00Z&limit=10000"
        "&adjustment=raw&feed=iex&sort=asc"
    ),
    "massive": (
        "https://api.massive.com/v2/aggs/ticker/ACME/range/1/minute/1796049060000/1796049660000"
        "?adjusted=false&sort=asc&limit=50000"
    ),
    "binance": (
        "https://api.binance.com/api/v3/klines?symbol=BTCUSDT&interval=1m"
        "&startTime=1796049060000&endTime=1796049660000&limit=1000"
    ),
    "binance_usdm": (
        "https://fapi.binance.com/fapi/v1/klines?symbol=BTCUSDT&interval=1m"
        "&startTime=1796049060000&endTime=1796049660000&limit=1000"
    ),
    "kraken": "https://api.kraken.com/0/public/OHLC?pair=BTC%2FUSD&interval=1&since=1796049000",
}


@pytest.mark.parametrize("preset", HISTORIES)
def test_the_history_is_asked_raw_and_from_the_same_feed(preset: str) -> None:
    mapping = preset_mapping(preset)
    symbols = ["ACME", "BRK.B"] if preset in ("alpaca", "massive") else ["BTC"]
    request = mapping.history(symbols, START_MS, START_MS + 10 * MINUTE_MS)[0]
    assert request.http.url == HISTORIES[preset]
    for value in ENVIRONMENT.values():
        assert value not in request.http.shown


def test_the_address_of_a_webhook_is_shown_without_its_secret() -> None:
    address = preset_mapping("tradingview").address(["ACME"])
    assert address.url == "http://127.0.0.1:8811/tradingview/hook%2Fof%20tests"
    assert address.shown == "http://127.0.0.1:8811/tradingview/${TRADINGVIEW_SECRET}"


@pytest.mark.parametrize(
    ("preset", "closing", "cadence_ms"),
    [
        ("alpaca", "stated", MINUTE_MS),
        ("binance", "stated", MINUTE_MS),
        ("kraken", "elapsed", 1_000),
    ],
)
def test_a_preset_says_what_ends_a_slot(preset: str, closing: str, cadence_ms: int) -> None:
    mapping = preset_mapping(preset)
    assert (mapping.closing, mapping.cadence_ms) == (closing, cadence_ms)
