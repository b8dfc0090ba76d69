"""The history by tables of one's own: requests, pages, what is wrong with an answer."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tapeline.schemas.instants import MINUTE_MS
from tapeline.streams.feeds.live.mapping.compiled import Mapping
from tapeline.streams.feeds.live.model import HistoryPage, HistoryRequest
from tests.feed_mappings import ENVIRONMENT, OWN, OWN_BAR, START_MS, mapping_of, row

END_MS = START_MS + 9 * MINUTE_MS
URL = "https://api.example/bars?s={symbol}&from={from_ms}&to={to_ms}"


def with_history(more: str, url: str = URL, rows: str = "bars[*]", bar: str = OWN_BAR) -> Mapping:
    table = f"[feeds.mine.history]\nurl = '{url}'\nrows = '{rows}'\n{more}\n"
    return mapping_of(OWN + bar + table)


def asked(mapping: Mapping, symbols: str = "ACME") -> HistoryRequest:
    return mapping.history(symbols.split(), START_MS, END_MS)[0]


def answer(mapping: Mapping, body: Any, request: HistoryRequest | None = None) -> HistoryPage:
    return mapping.page(request or asked(mapping), json.dumps(body).encode())


@pytest.mark.parametrize(
    ("url", "more", "bar", "expected"),
    [
        ("{from_ms} {to_ms}", "", {}, (START_MS, END_MS)),
        ("{from_s} {to_s}", "", {}, (START_MS // 1000, END_MS // 1000)),
        ("{from_us} {to_ns}", "", {}, (START_MS * 1000, END_MS * 1_000_000)),
        ("{from_ms} {to_ms}", "end = 'exclusive'", {}, (START_MS, END_MS + MINUTE_MS)),
        ("{before_s} {to_s}", "", {}, (START_MS // 1000 - 60, END_MS // 1000)),
        (
            "{from_ms} {to_ms}",
            "start = { path = 't', unit = 'ms', stamp = 'close' }",
            {},
            (START_MS + MINUTE_MS, END_MS + MINUTE_MS),
        ),
    ],
)
def test_the_window_is_in_the_stamps_of_the_provider(
    url: str, more: str, bar: Any, expected: tuple[int, int]
) -> None:
    mapping = with_history(more, "https://api.example/{symbol}?w=" + url)
    query = asked(mapping).http.url.partition("w=")[2]
    assert tuple(int(each) for each in query.split()) == expected


def test_many_symbols_go_into_one_request() -> None:
    url = "https://api.example/bars?s={symbols}&i={interval}&from={from_rfc3339}"
    mapping = with_history("symbol = 's'\nper_request = 2", url)
    requests = mapping.history(["XYZ", "ACME"], START_MS, END_MS)
    assert [each.symbols for each in requests] == [("XYZ", "ACME")]
    query = parse_qs(urlsplit(requests[0].http.url).query)
    assert query == {"s": ["xyz,acme"], "i": ["60"], "from": ["2026-11-30T14:31:00Z"]}


def test_rows_without_a_symbol_are_the_requested_one_s() -> None:
    page = answer(with_history(""), {"bars": [row(s=None)]}, None)
    assert [bar.symbol for bar in page.rows] == ["ACME"]


def test_rows_of_another_symbol_or_outside_the_window_are_left_out() -> None:
    mapping = with_history("symbol = 's'")
    rows = [row(s="xyz"), row(s="none"), row(t=START_MS - MINUTE_MS), row(t=END_MS + MINUTE_MS)]
    page = answer(mapping, {"bars": [*rows, row(), row(t=END_MS)]})
    assert [bar.start_ms for bar in page.rows] == [START_MS, END_MS]
    assert page.problem == ""
    assert page.next is None


def test_a_row_that_is_no_bar_is_a_dead_letter_among_the_others() -> None:
    page = answer(with_history(""), {"bars": [row(o="NaN"), row()]})
    assert len(page.rows) == 1
    assert [(each.code, each.symbol) for each in page.unreadable] == [("bad_price", "ACME")]


@pytest.mark.parametrize("body", [{}, {"bars": None}, {"bars": []}, {"bars": {}}])
def test_an_answer_without_rows_is_an_answer(body: Any) -> None:
    assert answer(with_history(""), body) == HistoryPage(())


def test_an_error_in_the_answer_makes_it_none() -> None:
    mapping = with_history("error = 'errors[0]'")
    body = {"errors": ['slow down, quoted"key'], "bars": [row()]}
    assert answer(mapping, body) == HistoryPage((), problem="slow down, ***")
    assert answer(mapping, {"errors": [], "bars": [row()]}).problem == ""


def test_an_answer_that_is_not_json_is_none() -> None:
    mapping = with_history("")
    assert mapping.page(asked(mapping), b"<html>").problem == "the message is not JSON"


def test_a_full_answer_goes_on_behind_its_last_row() -> None:
    mapping = with_history("limit = 2", URL + "&n={limit}")
    page = answer(mapping, {"bars": [row(), row(t=START_MS + MINUTE_MS)]})
    assert page.next is not None
    query = parse_qs(urlsplit(page.next.http.url).query)
    assert query["from"] == [str(START_MS + 2 * MINUTE_MS)]
    assert query["n"] == ["2"]
    assert (page.next.from_ms, page.next.to_ms, page.next.page) == (START_MS, END_MS, 2)
    last = answer(mapping, {"bars": [row(t=END_MS - MINUTE_MS), row(t=END_MS)]}, page.next)
    assert last.next is None
    assert answer(mapping, {"bars": [row()]}).next is None


def test_a_provider_that_ignores_the_window_does_not_go_on_for_ever() -> None:
    mapping = with_history("limit = 2")
    body = {"bars": [row(t=START_MS - 9 * MINUTE_MS), row(t=START_MS - 8 * MINUTE_MS)]}
    request: HistoryRequest | None = asked(mapping)
    pages = 0
    while request is not None:
        page = answer(mapping, body, request)
        request, pages = page.next, pages + 1
    assert page.problem == "the next page is the same"
    assert pages == 2


@pytest.mark.parametrize(
    ("next_address", "problem"),
    [
        ("https://api.example/more?c=1", ""),
        ("/more?c=1", ""),
        ("https://other.example/more?c=1", "the next page is on another host"),
        ("http://api.example/more?c=1", "the next page is on another host"),
        ("https://api.example:444/more", "the next page is on another host"),
        ("//other.example/more", "the next page is on another host"),
        ("https://[broken", "the address of the next page is none"),
    ],
)
def test_the_next_address_is_on_the_same_host(next_address: str, problem: str) -> None:
    mapping = with_history("next = 'next_url'\nnext_auth = 'key=${FEED_KEY}'")
    page = answer(mapping, {"bars": [row()], "next_url": next_address})
    assert page.problem == problem
    if problem:
        assert page.next is None
    else:
        assert page.next is not None
        assert page.next.http.url == "https://api.example/more?c=1&key=quoted%22key"
        assert page.next.http.shown == "https://api.example/more?c=1&key=${FEED_KEY}"


def test_a_token_is_put_into_its_parameter_and_may_not_repeat() -> None:
    mapping = with_history("next = { param = 'page', path = 'token' }")
    first = answer(mapping, {"bars": [row()], "token": "a b"})
    assert first.next is not None
    assert first.next.http.url.endswith("&page=a+b")
    second = answer(mapping, {"bars": [row()], "token": "c"}, first.next)
    assert second.next is not None
    assert second.next.http.url.endswith("&page=c")
    again = answer(mapping, {"bars": [row()], "token": "c"}, second.next)
    assert again.problem == "the next page is the same"
    assert answer(mapping, {"bars": [row()], "token": None}, second.next).next is None


def test_pages_come_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapeline.streams.feeds.live.mapping.history.MOST_PAGES", 3)
    mapping = with_history("next = { param = 'page', path = 'token' }")
    request: HistoryRequest | None = asked(mapping)
    for token in ("a", "b", "a", "b"):
        assert request is not None
        page = answer(mapping, {"token": token}, request)
        request = page.next
        if page.problem:
            break
    assert page.problem == "there are more than 3 pages"


def test_the_history_has_the_headers_of_the_feed_or_its_own() -> None:
    text = OWN.replace("symbols =", "headers = { X-Key = '${FEED_KEY}' }\nsymbols =")
    table = f"[feeds.mine.history]\nurl = '{URL}'\nrows = 'bars[*]'\n"
    key = ENVIRONMENT["FEED_KEY"]
    assert asked(mapping_of(text + OWN_BAR + table)).http.headers == (("X-Key", key),)
    own = mapping_of(text + OWN_BAR + table + "headers = { Y = 'b' }")
    assert asked(own).http.headers == (("Y", "b"),)
    assert own.address(["ACME"]).headers == (("X-Key", key),)
