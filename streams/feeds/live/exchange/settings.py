"""The configuration of a feed of the sample exchange."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tapeline.streams.errors import InputError
from tapeline.streams.feeds.live.exchange.market import BASE
from tapeline.streams.feeds.live.exchange.server import (
    LAG_MS,
    PAGE,
    PER_MS,
    REQUESTS,
    SampleExchange,
)
from tapeline.streams.feeds.samples import CONFIGURATION_FILE

HEAD: Final = "# A feed of the exchange that `tapeline sample feed` runs.\n"
_INSTRUMENT = """\
[instruments.{symbol}]
tick = 0.01
calendar = "24/7"
base = "{base}"
ranges = []
"""
_FEED = """
[feeds.{name}]
kind = "websocket"
url = "ws://127.0.0.1:{port}/stream"
symbols = [{symbols}]

[feeds.{name}.session]
open = [
  {{ send = '{{"hello":"sample"}}', expect = {{ status = "ok" }} }},
  {{ send = '{{"subscribe":${{symbols}}}}', expect = {{ symbols = "${{symbols}}" }} }},
]
alive = {{ where = {{ type = "bars" }}, every = "1s" }}

[feeds.{name}.bar]
each = "bars[*]"
symbol = "s"
start = {{ path = "t", unit = "ms", stamp = "open" }}
prices = {{ open = "o", high = "h", low = "l", close = "c" }}
volume = "v"
final = "sent"
sent = {{ path = "sent", unit = "ms" }}

[feeds.{name}.history]
url = "http://127.0.0.1:{port}/bars?symbol={{symbol}}&from={{from_ms}}&to={{to_ms}}&limit={{limit}}"
rows = "bars[*]"
next = {{ path = "next", param = "page" }}
limit = {page}
lag = "{lag}s"
rate = {{ requests = {requests}, per = "{per}s" }}
reach = "{reach}s"

[feeds.{name}.truth]
silence = "canary"
revises_for = "10s"

[[feeds.{name}.notice]]
where = {{ type = "halt" }}
means = "halt"
symbol = "s"
start = {{ path = "t", unit = "ms" }}

[[feeds.{name}.notice]]
where = {{ type = "resume" }}
means = "resume"
symbol = "s"
start = {{ path = "t", unit = "ms" }}
"""


def sample_settings(exchange: SampleExchange, name: str = "sample", reach_s: int = 600) -> str:
    """TOML of the exchange's instruments and of a feed of all of them.

    Parameters
    ----------
    exchange
        Started: its port is known.
    reach_s
        How far back the history is read.
    """
    symbols = exchange.market.symbols
    instruments = "\n".join(_INSTRUMENT.format(symbol=each, base=BASE) for each in symbols)
    return instruments + _FEED.format(
        name=name,
        port=exchange.port,
        symbols=", ".join(f'"{each}"' for each in symbols),
        page=PAGE,
        lag=LAG_MS // 1000,
        requests=REQUESTS,
        per=PER_MS // 1000,
        reach=reach_s,
    )


def write_settings(folder: Path, text: str) -> Path:
    """Write a ``tapeline.toml`` that begins with `HEAD` into a folder, over an earlier one.

    Raises
    ------
    InputError
        When the folder holds a configuration that does not begin so.
    """
    path = folder / CONFIGURATION_FILE
    if path.exists() and not path.read_text("utf-8", errors="replace").startswith(HEAD):
        raise InputError(f"{path}: is not of a sample feed; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")
    return path
