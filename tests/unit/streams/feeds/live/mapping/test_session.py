"""Steps of a session by tables of one's own: messages, chunks, answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tapeline.streams.feeds.live.model import StepMessage
from tests.feed_mappings import OWN, OWN_BAR, mapping_of

SYMBOLS = "ABCDE"
FIVE = OWN.replace('{ ACME = "acme", XYZ = "xyz" }', "['A', 'B', 'C', 'D', 'E']")


def opening(step: str, text: str = FIVE, topic: str = "{symbol}") -> Any:
    session = f"[feeds.mine.session]\ntopic = '{topic}'\nopen = [{{ {step} }}]\n"
    return mapping_of(text + session + OWN_BAR)


def texts(mapping: Any, symbols: str = SYMBOLS) -> list[str]:
    return [each.text for each in mapping.messages(0, list(symbols))]


@pytest.mark.parametrize(
    ("send", "expected"),
    [
        ('{"s":${symbols}}', ['{"s":["A","B","C","D","E"]}']),
        ('{"s":"${topics:,}"}', ['{"s":"t.A,t.B,t.C,t.D,t.E"}']),
        ("sub ${topics: }", ["sub t.A t.B t.C t.D t.E"]),
        (
            '{"s":"${symbol}","n":${id}}',
            [f'{{"s":"{s}","n":{n}}}' for n, s in enumerate(SYMBOLS, 1)],
        ),
        ('{"key":"${FEED_KEY}"}', ['{"key":"quoted\\"key"}']),
        ("login\n${FEED_KEY}", ['login\nquoted"key']),
    ],
)
def test_a_message_has_its_variables_filled(send: str, expected: list[str]) -> None:
    step = f"send = {json.dumps(send)}"
    assert texts(opening(step, topic="t.{symbol}")) == expected


def test_symbols_come_in_chunks_in_their_order() -> None:
    found = opening("send = '${symbols}', chunk = 2, pace_ms = 250").messages(0, list(SYMBOLS))
    assert found == [
        StepMessage('["A","B"]', ("A", "B"), False, 1),
        StepMessage('["C","D"]', ("C", "D"), False, 2),
        StepMessage('["E"]', ("E",), False, 3),
    ]


def test_symbols_of_one_message_have_one_interval() -> None:
    text = "[instruments.C]\nbase = '5m'\n" + FIVE
    mapping = opening("send = '${interval} ${symbols:,}'", text)
    assert texts(mapping) == ["60 A,B,D,E", "300 C"]


def test_a_topic_has_the_provider_s_letters_and_interval() -> None:
    text = FIVE.replace("['A'", "['aB'")
    mapping = opening("send = '${topics}'", text, "{symbol:lower}@kline_{interval}")
    assert texts(mapping, "B") == ['["b@kline_60"]']
    assert mapping.messages(0, ["aB"])[0].text == '["ab@kline_60"]'


def test_an_address_has_symbols_and_its_secret() -> None:
    address = mapping_of(OWN + OWN_BAR).address(["ACME", "XYZ"])
    assert address.url == "wss://feed.example/acme,xyz?key=quoted%22key"
    assert address.shown == "wss://feed.example/acme,xyz?key=${FEED_KEY}"


def answered(expect: str, parsed: Any, symbols: str = "ABC", number: int = 1) -> Any:
    mapping = opening(f"send = '${{symbols}}', expect = {{ {expect} }}, fatal = {{ e = [1, 2] }}")
    message = StepMessage("", tuple(symbols), True, number)
    found = mapping.answer(0, message, parsed)
    listed = None if found.acknowledged is None else "".join(sorted(found.acknowledged))
    return found.outcome, listed


@pytest.mark.parametrize(
    ("expect", "parsed", "expected"),
    [
        ("ok = true", {"ok": True, "more": 1}, ("expected", None)),
        ("ok = true", {"ok": "true"}, ("other", None)),
        ("ok = true", [{"x": 1}, {"ok": True}], ("expected", None)),
        ("n = 402", {"n": "402"}, ("expected", None)),
        ("a = 1, b = 2", [{"a": 1}, {"b": 2}], ("other", None)),
        ("s = '${symbols}'", {"s": ["C", "A", "B"]}, ("expected", "ABC")),
        ("s = '${symbols}'", {"s": ["A", "E", "zz", 5, None]}, ("expected", "AE")),
        ("s = '${symbols}'", {"s": ["D", "E"]}, ("other", "DE")),
        ("s = '${symbols}'", {"s": []}, ("other", None)),
        ("s = '${symbols}'", {"s": "B"}, ("expected", "B")),
        ("s = '${symbols}'", [{"s": "B"}, {"s": "C"}], ("expected", "BC")),
        ("s = '${symbols}', u = '${symbols}'", {"s": ["A", "B"], "u": ["B"]}, ("expected", "B")),
        ("m = 'on ${symbols}!'", [{"m": "on A!"}, {"m": "on A"}], ("expected", "A")),
        ("'x[*].s' = '${symbols}'", {"x": [{"s": "A"}, {"s": "C"}]}, ("expected", "AC")),
        ("id = '${id}'", {"id": 1}, ("expected", None)),
        ("id = '${id}'", {"id": 2}, ("other", None)),
        ("ok = true", {"e": 2, "ok": True}, ("fatal", None)),
        ("ok = true", [{"ok": True}, {"e": "1"}], ("fatal", None)),
        ("ok = true", {"e": 3}, ("other", None)),
    ],
)
def test_an_answer_is_compared_element_by_element(expect: str, parsed: Any, expected: Any) -> None:
    assert answered(expect, parsed) == expected


def test_a_step_may_wait_for_what_it_did_not_ask_for() -> None:
    mapping = opening("expect = { hello = true }")
    assert mapping.messages(0, list(SYMBOLS)) == []
    assert mapping.answer(0, None, {"hello": True}).outcome == "expected"
