"""Headers of answers, and faults in words."""

from __future__ import annotations

import errno

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from tapeline.streams.feeds.live.transports.answers import date_of, reason_of, retry_after_of

DATE = "Mon, 30 Nov 2026 15:00:00 GMT"
DATE_MS = 1_796_050_800_000


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Date": DATE}, DATE_MS),
        ({"Date": DATE, "Age": "0"}, DATE_MS),
        ({"Date": DATE, "Age": "3600"}, None),
        ({"Date": "yesterday"}, None),
        ({}, None),
    ],
)
def test_the_date_of_an_answer_counts_unless_a_cache_kept_it(
    headers: dict[str, str], expected: int | None
) -> None:
    assert date_of(headers) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({"Retry-After": "17"}, 17_000, id="seconds"),
        pytest.param({"Retry-After": " 2.5 "}, 2_000, id="a fraction"),
        pytest.param(
            {"Retry-After": "Mon, 30 Nov 2026 15:01:30 GMT", "Date": DATE}, 90_000, id="a date"
        ),
        pytest.param(
            {"Retry-After": "Mon, 30 Nov 2026 15:01:30 GMT"}, 30_000, id="a date by our clock"
        ),
        pytest.param({"Retry-After": "Mon, 30 Nov 2020 15:00:00 GMT"}, 0, id="a date gone by"),
        pytest.param({"Retry-After": "soon"}, None, id="no time"),
        pytest.param({"Retry-After": "-5"}, None, id="negative"),
        pytest.param({"Retry-After": "9" * 40}, None, id="huge"),
        pytest.param({}, None, id="none"),
    ],
)
def test_a_pause_is_read_in_both_forms(headers: dict[str, str], expected: int | None) -> None:
    assert retry_after_of(headers, DATE_MS + 60_000) == expected


def test_faults_are_named_without_the_address_that_a_library_writes() -> None:
    info = aiohttp.RequestInfo(
        URL("http://feed.example/?key=hunter2"),
        "GET",
        CIMultiDictProxy(CIMultiDict()),
        URL("http://feed.example/?key=hunter2"),
    )
    faults = [
        aiohttp.WSServerHandshakeError(info, (), status=502, message="hunter2"),
        aiohttp.InvalidURL("http://feed.example/?key=hunter2"),
        aiohttp.ServerDisconnectedError("hunter2"),
        OSError(errno.ECONNREFUSED, "hunter2"),
        TimeoutError("hunter2"),
        ValueError("hunter2"),
    ]
    texts = [reason_of(each) for each in faults]
    assert texts == [
        "answered with status 502 instead of an upgrade",
        "the address cannot be used",
        "server disconnected error",
        "connection refused",
        "no answer in time",
        "value error",
    ]
