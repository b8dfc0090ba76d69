"""Single values of feeds: what is read, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.schemas.config.feed_mapping import Comparison, NextPage, TimeField
from tapeline.schemas.config.feed_values import (
    duration,
    path,
    read_begin,
    read_comparison,
    read_each,
    read_final,
    read_headers,
    read_interval_words,
    read_next,
    read_parameters,
    read_prices,
    read_symbols,
    read_volume,
    time_field,
    where,
)
from tapeline.schemas.config.model import ConfigError
from tapeline.schemas.config.values import ConfigKey, Reader

KEY = ConfigKey("desk.toml", "feeds.mine.key")
PRICES = {"open": "o", "high": "h", "low": "l", "close": "c"}


@pytest.mark.parametrize(
    ("value", "milliseconds"),
    [("2.5s", 2_500), ("20m", 1_200_000), ("250ms", 250), ("12h", 43_200_000), ("0.5ms", None)],
)
def test_a_duration_is_whole_milliseconds(value: str, milliseconds: int | None) -> None:
    if milliseconds is None:
        with pytest.raises(ConfigError):
            duration()(value, KEY)
    else:
        assert duration()(value, KEY) == milliseconds


@pytest.mark.parametrize(
    ("reader", "value", "expected"),
    [
        (where(), {"T": ["b", "u"]}, (("T", ("b", "u")),)),
        (where(), {"k": {"x": True, "n": 3}}, (("k.x", (True,)), ("k.n", ("3",)))),
        (where(of_one_value=False), {"s[*]": "a"}, (("s[*]", ("a",)),)),
        (read_comparison, {"path": "n", "equals": 0}, Comparison(path="n", equals=("0",))),
        (read_final, "elapsed", "elapsed"),
        (read_final, {"path": "x", "equals": True}, Comparison(path="x", equals=(True,))),
        (time_field(stamped=True), {"path": "t", "unit": "ms"}, TimeField(path="t", unit="ms")),
        (read_prices, PRICES, ("o", "h", "l", "c")),
        (read_volume, "v", ("v", "required")),
        (read_volume, {"path": "v", "default": "absent"}, ("v", None)),
        (read_volume, {"path": "v", "default": 0}, ("v", 0)),
        (read_each, "data[*]", ("data[*]",)),
        (read_each, ["data[*]", ""], ("data[*]", "")),
        (read_next, "next_url", NextPage(path="next_url")),
        (read_next, {"param": "p", "path": "q"}, NextPage(path="q", param="p")),
        (read_symbols, ["A", "B"], {"A": "A", "B": "B"}),
        (read_symbols, {"A": "a_usd"}, {"A": "a_usd"}),
        (read_interval_words, {"1h": "60"}, {"60m": "60"}),
        (read_headers, {"X-Key": "a ${KEY}"}, (("X-Key", "a ${KEY}"),)),
        (read_begin, "2026-11-02T14:30:00Z", "2026-11-02T14:30:00Z"),
    ],
)
def test_a_value_is_normalised(reader: Reader, value: Any, expected: Any) -> None:
    assert reader(value, KEY) == expected


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        (path(), "a[*]"),
        (path(), ""),
        (where(), {}),
        (where(), {"a[*]": 1}),
        (where(), {"a": [1, [2]]}),
        (read_comparison, {"path": "n"}),
        (read_final, "closed"),
        (time_field(stamped=True), {"path": "t"}),
        (time_field(stamped=True), {"path": "t", "unit": "minutes"}),
        (time_field(stamped=True), {"path": "t", "unit": "local"}),
        (time_field(stamped=True), {"path": "t", "unit": "ms", "zone": "UTC"}),
        (time_field(stamped=True), {"path": "t", "unit": "local", "zone": "Nowhere"}),
        (time_field(stamped=False), {"path": "t", "unit": "ms", "stamp": "close"}),
        (read_prices, {"open": "o"}),
        (read_each, []),
        (read_each, ["a", 1]),
        (read_each, ["a[*][*]"]),
        (read_volume, {"path": "v", "default": True}),
        (read_symbols, []),
        (read_symbols, ["A", "A"]),
        (read_symbols, {"A": "x", "B": "x"}),
        (read_symbols, {"A|B": "x"}),
        (read_interval_words, {"7m": "7"}),
        (read_interval_words, {"1h": "60", "60m": "1h"}),
        (read_parameters, {"symbol": "x"}),
        (read_parameters, {"Feed": "x"}),
        (read_headers, {"X Key": "x"}),
        (read_headers, {"X": "a\nb"}),
        (read_headers, {"X": "${key}"}),
        (read_begin, "2026-13-01"),
        (read_begin, "2026-11-02T14:30"),
        (duration(), "5"),
        (duration(), "500d"),
        (duration(100), "50ms"),
    ],
)
def test_another_value_is_refused(reader: Reader, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        reader(value, KEY)
    assert caught.value.key.startswith("feeds.mine.key")
    assert caught.value.allowed
