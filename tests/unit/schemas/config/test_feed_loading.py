"""``[feeds.<name>]``: presets, what is merged, and what does not go together."""

from __future__ import annotations

import pytest

from tapeline.schemas.config.feed_loading import preset_names, preset_text
from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import ConfigError, config_hash
from tapeline.schemas.config.rendering import to_toml
from tapeline.schemas.instants import HOUR_MS, MINUTE_MS

OWN = """
[feeds.mine]
kind = "websocket"
url = "wss://feed.example/stream"
symbols = { ACME = "acme_usd" }
headers = { X-Key = "${FEED_KEY}" }
[feeds.mine.session]
open = [
  { send = '{"auth":"${FEED_KEY}"}', expect = { status = "ok" }, fatal = { status = "denied" } },
  { send = '{"subscribe":${symbols}}', chunk = 100, pace_ms = 9, expect.subscribed = "${symbols}" },
]
keepalive = { send = "[]", every = "2.5s" }
alive = { where = { type = "hb" }, every = "5s" }
stale_after = "30s"
[feeds.mine.bar]
each = "data[*]"
where = { type = ["ohlc", "update"] }
symbol = "s"
start = { path = "t", unit = "ms", stamp = "open" }
prices = { open = "o", high = "h", low = "l", close = "c" }
volume = { path = "v", default = "absent" }
final = { path = "x", equals = true }
[feeds.mine.history]
url = "https://api.example/bars?symbol={symbol}&from={from_ms}&to={to_ms}&limit={limit}"
rows = "bars[*]"
limit = 1000
end = "inclusive"
lag = "3s"
rate = { requests = 200, per = "60s" }
reach = "12h"
[feeds.mine.truth]
silence = "marker"
revises_for = "20m"
tick = "refuse"
[[feeds.mine.notice]]
where = { type = "halt" }
means = "halt"
wait = "30s"
"""


def feed(text: str, name: str = "mine") -> FeedConfig:
    return read_config(text, "desk.toml").feeds[name]


def test_a_feed_of_its_own_is_read() -> None:
    found = feed(OWN)
    assert found.symbols == {"ACME": "acme_usd"}
    assert found.session.keepalive is not None
    assert found.session.keepalive.every_ms == 2_500
    assert found.session.stale_after_ms == 30_000
    assert found.history is not None
    assert (found.history.requests, found.history.per_ms) == (200, MINUTE_MS)
    assert found.history.lag_ms == 3_000
    assert found.truth.silence == "marker"
    assert found.truth.revises_for_ms == 20 * MINUTE_MS
    assert found.mapping is not None
    assert found.mapping.bar.each == ("data[*]",)
    assert found.mapping.notices[0].wait_ms == MINUTE_MS // 2
    assert found.mapping.history is not None
    # What an answer of the history does not say otherwise stands as in the stream.
    assert found.mapping.history.rows.prices == found.mapping.bar.prices
    assert found.mapping.history.rows.where == ()


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_needs_symbols_alone_and_reads_back(name: str) -> None:
    config = read_config(f"[feeds.x]\nuse = '{name}'\nsymbols = ['ACME']", "desk.toml")
    assert config.feeds["x"].symbols == {"ACME": "ACME"}
    assert read_config(to_toml(config), "shown") == config


def test_the_presets_are_these() -> None:
    names = ("alpaca", "binance", "binance_usdm", "kraken", "massive", "tradingview")
    assert preset_names() == names


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_says_how_it_was_checked(name: str) -> None:
    assert "# Checked against the service: never." in preset_text(name)


def test_a_preset_is_merged_key_by_key() -> None:
    found = feed(
        "[feeds.mine]\nuse = 'alpaca'\nsymbols = ['ACME']\nparameters = { feed = 'sip' }\n"
        "[feeds.mine.truth]\nsilence = 'history'\n[feeds.mine.history]\nreach = '4h'"
    )
    plain = feed("[feeds.mine]\nuse = 'alpaca'\nsymbols = ['ACME']")
    assert found.mapping is not None
    assert plain.mapping is not None
    assert found.mapping.parameters == {"feed": "sip"}
    assert found.mapping.history == plain.mapping.history
    assert found.truth.silence == "history"
    assert found.truth.revises_for_ms == plain.truth.revises_for_ms
    assert found.history is not None
    assert found.history.reach_ms == 4 * HOUR_MS
    assert found.history.per_request == 100


def test_a_feed_of_its_own_reads_back() -> None:
    config = read_config(OWN, "desk.toml")
    assert read_config(to_toml(config), "desk.toml") == config


def test_feeds_are_part_of_no_hash() -> None:
    assert config_hash(read_config(OWN, "desk.toml")) == config_hash(read_config("", "desk.toml"))


def test_a_file_of_secrets_lies_beside_the_configuration() -> None:
    text = OWN.replace("kind =", "secrets_file = 'feeds.env'\nkind =", 1)
    found = read_config(text, "books/desk.toml").feeds["mine"]
    assert found.secrets_file == "books/feeds.env"


MANY = ("limit = 1000", "limit = 1000\nper_request = 5")
FAULTS = {
    "unknown key": ("[feeds.mine.bar]", "[feeds.mine.bar]\npirces = 1", "feeds.mine.bar.pirces"),
    "unknown table": ("[feeds.mine.truth]", "[feeds.mine.thruth]", "feeds.mine.thruth"),
    "scheme": ("wss://feed.example/stream", "https://feed.example", "feeds.mine.url"),
    "no url": ('url = "wss://feed.example/stream"', "", "feeds.mine"),
    "no kind": ('kind = "websocket"', "", "feeds.mine"),
    "no start": ("start = {", "sent = {", "feeds.mine.bar.sent.stamp"),
    "no prices": ("prices =", "# prices =", "feeds.mine.bar"),
    "variable": ("${symbols}}', chunk", "${sybols}}', chunk", "feeds.mine.session.open[1].send"),
    "interval": ("from={from_ms}", "i={interval}", "feeds.mine.history.url"),
    "limit": ("limit = 1000", "", "feeds.mine.history.url"),
    "many": ("limit = 1000", "limit = 9\nper_request = 5", "feeds.mine.history.per_request"),
    "keepalive": ('send = "[]"', 'send = "${KEY}"', "feeds.mine.session.keepalive.send"),
    "keepalive whole": (', every = "2.5s"', "", "feeds.mine.session.keepalive"),
    "no rows": ('rows = "bars[*]"', "", "feeds.mine.history"),
    "form": ("${symbols}}', chunk", "${symbols:x}}', chunk", "feeds.mine.session.open[1].send"),
    "form of one": ("symbol={symbol}", "symbol={symbol:title}", "feeds.mine.history.url"),
    "form of another": ("to={to_ms}", "to={to_ms:,}", "feeds.mine.history.url"),
    "pages": (
        "symbol={symbol}",
        "symbol={symbols}&n={limit}",
        "feeds.mine.history.per_request",
    ),
    "use": ('kind = "websocket"', 'use = "alpacca"', "feeds.mine.use"),
    "backup": ('kind = "websocket"', 'kind = "websocket"\nbackup = "b"', "feeds.mine.backup"),
    "secret": (
        'kind = "websocket"',
        'kind = "websocket"\nsecret = { path = "k", equals = "${K}" }',
        "feeds.mine.secret",
    ),
}


@pytest.mark.parametrize(("old", "new", "key"), FAULTS.values(), ids=FAULTS)
def test_an_error_names_file_and_key(old: str, new: str, key: str) -> None:
    text = OWN if "per_request" not in key or "limit" in old else OWN.replace(*MANY)
    assert text.count(old) >= 1
    with pytest.raises(ConfigError) as caught:
        read_config(text.replace(old, new, 1), "desk.toml")
    assert (caught.value.file, caught.value.key) == ("desk.toml", key)


def test_an_address_of_one_symbol_is_not_that_of_several() -> None:
    text = OWN.replace("example/stream", "example/{symbol}")
    assert feed(text).url == "wss://feed.example/{symbol}"
    with pytest.raises(ConfigError, match=r"\{symbols\} or \{topics\}"):
        feed(text.replace('ACME = "acme_usd"', 'ACME = "a", XYZ = "x"'))


def test_several_symbols_of_a_request_need_rows_with_symbols() -> None:
    text = OWN.replace("symbol={symbol}", "symbol={symbols}").replace("&limit={limit}", "")
    text = text.replace("limit = 1000", "per_request = 5")
    with pytest.raises(ConfigError, match="1 where rows have no symbol"):
        feed(text)
    named = text.replace('rows = "bars[*]"', 'rows = "bars.{symbol}[*]"')
    assert feed(named).history is not None


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="nearest: alpaca"):
        read_config("[feeds.x]\nuse = 'alpacca'\nsymbols = ['A']", "desk.toml")


def test_a_base_without_a_word_of_the_provider_is_an_error() -> None:
    text = "[instruments.A]\nbase = '1s'\n[feeds.x]\nuse = 'kraken'\nsymbols = ['A']"
    with pytest.raises(ConfigError, match=r"base is one of 1m, 5m.*A has 1s"):
        read_config(text, "desk.toml")


def test_symbols_of_a_feed_are_instruments() -> None:
    text = "[instruments]\ndefault = false\n[feeds.x]\nuse = 'kraken'\nsymbols = ['A']"
    with pytest.raises(ConfigError, match=r"feeds\.x\.symbols"):
        read_config(text, "desk.toml")


TWO = "[feeds.a]\nuse = 'kraken'\nsymbols = ['A']\n{}[feeds.b]\nuse = 'binance'\nsymbols = ['A']\n"


def test_a_symbol_stands_in_one_feed() -> None:
    with pytest.raises(ConfigError, match="symbols of no other feed; A is in a"):
        read_config(TWO.format(""), "desk.toml")


def test_a_backup_has_the_same_symbols() -> None:
    assert read_config(TWO.format("backup = 'b'\n"), "desk.toml").feeds["a"].backup == "b"


def test_two_feeds_are_not_the_backup_of_each_other() -> None:
    with pytest.raises(ConfigError, match=r"feeds\.a\.backup"):
        read_config(TWO.format("backup = 'b'\n") + "backup = 'a'", "desk.toml")
