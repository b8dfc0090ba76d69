"""Mappings for tests: of presets and of tables of their own, with secrets that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tapeline.schemas.config.loading import read_config
from tapeline.streams.feeds.live.mapping.compiled import Mapping, compile_mapping
from tapeline.streams.feeds.live.model import Meaning
from tapeline.streams.feeds.live.secrets import read_secrets

TAPES = Path(__file__).parent / "data" / "feeds"
START_MS = 1_796_049_060_000
"""2026-11-30T14:31:00Z, the first bar of the tapes."""

ENVIRONMENT = {
    "ALPACA_KEY": "alpaca-key-of-tests",
    "ALPACA_SECRET": "alpaca-secret-of-tests",
    "MASSIVE_KEY": "massive-key-of-tests",
    "TRADINGVIEW_SECRET": "hook/of tests",
    "FEED_KEY": 'quoted"key',
}
SYMBOLS = {
    "alpaca": "['ACME', 'BRK.B']",
    "massive": "['ACME', 'BRK.B']",
    "binance": "{ BTC = 'BTCUSDT' }",
    "binance_usdm": "{ BTC = 'BTCUSDT' }",
    "kraken": "{ BTC = 'BTC/USD', NONE = 'NONE/USD' }",
    "tradingview": "['ACME']",
}

OWN = """
[feeds.mine]
kind = "websocket"
url = "wss://feed.example/{topics}?key=${FEED_KEY}"
symbols = { ACME = "acme", XYZ = "xyz" }
interval = { "1m" = "60", "5m" = "300" }
"""
OWN_BAR = """
[feeds.mine.bar]
each = "rows[*]"
symbol = "s"
start = { path = "t", unit = "ms" }
prices = { open = "o", high = "h", low = "l", close = "c" }
volume = { path = "v", default = "absent" }
"""


def mapping_of(text: str, name: str = "mine") -> Mapping:
    """The mapping of a feed of a configuration."""
    config = read_config(text, "desk.toml")
    feed = config.feeds[name]
    return compile_mapping(feed, config, read_secrets(feed, ENVIRONMENT))


def preset_mapping(preset: str) -> Mapping:
    """The mapping of a preset, with the symbols of its tape."""
    return mapping_of(f"[feeds.mine]\nuse = '{preset}'\nsymbols = {SYMBOLS[preset]}")


def meant(mapping: Mapping, message: bytes) -> list[Meaning]:
    """What a message means."""
    return mapping.meanings(mapping.parse(message), message)


def row(**others: Any) -> dict[str, Any]:
    """A bar of `OWN_BAR`, with other fields where they are named."""
    fields = {"s": "acme", "t": START_MS, "o": "1.5", "h": 2, "l": 1, "c": "1.75", "v": 7}
    return {**fields, **others}
