"""Which transport a feed has, and what a webhook asks of a body."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.config.loading import read_config
from tapeline.streams.feeds.live.mapping.compiled import Mapping, compile_mapping
from tapeline.streams.feeds.live.model import Connect, ConnectionOpened
from tapeline.streams.feeds.live.secrets import read_secrets
from tapeline.streams.feeds.live.transports.inbox import Inbox
from tapeline.streams.feeds.live.transports.opening import (
    UnknownTransportError,
    bars_in_progress,
    has_secret,
    open_connections,
)
from tests.unit.streams.feeds.live.transports.raw_server import Peer, RawServer
from tests.unit.streams.feeds.live.transports.test_webhook import free_port
from tests.unit.streams.feeds.live.transports.watching import Watched

BAR = """
[instruments.ACME]
tick = 0.01
calendar = "XNYS"
[feeds.mine]
kind = "{kind}"
url = "{url}"
symbols = ["ACME"]
{more}
[feeds.mine.bar]
symbol = "s"
start = {{ path = "t", unit = "ms", stamp = "open" }}
prices = {{ open = "o", high = "h", low = "l", close = "c" }}
final = "sent"
"""


async def playing(peer: Peer) -> None:
    if "upgrade" in peer.headers:
        await peer.upgrade()
        await peer.silence()
    await peer.respond("200 OK", b"[]")


def made(kind: str, url: str, more: str = "", final: str = '"sent"') -> tuple[FeedConfig, Mapping]:
    """A feed of the configuration and its mapping."""
    text = BAR.replace('"sent"', final.replace("{", "{{").replace("}", "}}"))
    config = read_config(text.format(kind=kind, url=url, more=more), "test")
    feed = config.feeds["mine"]
    return feed, compile_mapping(feed, config, read_secrets(feed, {"FEED_KEY": "pa55"}))


@pytest.mark.parametrize("kind", ["websocket", "http", "webhook", "tail"])
async def test_a_feed_of_each_kind_opens_its_address(kind: str, tmp_path: Path) -> None:
    lines = tmp_path / "bars.jsonl"
    lines.touch()
    async with RawServer(playing) as server:
        urls = {
            "websocket": f"ws://127.0.0.1:{server.port}/",
            "http": f"http://127.0.0.1:{server.port}/",
            "webhook": f"http://127.0.0.1:{free_port()}/hook",
            "tail": lines.as_uri(),
        }
        feed, mapping = made(kind, urls[kind])
        inbox = Inbox()
        watched = Watched(inbox, open_connections(feed, mapping, inbox))
        watched.transport.connect(Connect(1, mapping.address(["ACME"]), 1 << 20))
        await watched.until(ConnectionOpened)
        watched.close(abort=True)
        await watched.transport.stop()


async def test_a_kind_that_needs_a_client_of_its_own_is_refused() -> None:
    feed, mapping = made("kafka", "kafka://bars")
    with pytest.raises(UnknownTransportError, match="feed mine is of kind kafka"):
        open_connections(feed, mapping, Inbox())


def test_a_body_has_its_secret_where_one_is_configured() -> None:
    _, free = made("webhook", "http://127.0.0.1:1/")
    assert has_secret(free)(b'{"s": "ACME"}')
    assert has_secret(free)(b"no JSON")
    _, guarded = made(
        "webhook", "http://127.0.0.1:1/", 'secret = { path = "key", equals = "${FEED_KEY}" }'
    )
    tested = {body: has_secret(guarded)(body) for body in (b'{"key": "pa55"}', b'{"key": "no"}')}
    assert tested == {b'{"key": "pa55"}': True, b'{"key": "no"}': False}
    assert not has_secret(guarded)(b"no JSON")
    assert not has_secret(guarded)(b"{}")


def row(label_ms: int, final: bool) -> str:
    return f'{{"s":"ACME","t":{label_ms},"o":1,"h":1,"l":1,"c":1,"x":{str(final).lower()}}}'


@pytest.mark.parametrize(
    ("final", "data", "expected"),
    [
        ('{ path = "x", equals = true }', f"[{row(0, False)}, {row(60_000, False)}]", {0, 60_000}),
        ('{ path = "x", equals = true }', f"[{row(0, False)}, {row(60_000, True)}]", set()),
        ('{ path = "x", equals = true }', '[{"s":"ACME","t":"soon"}]', set()),
        ('{ path = "x", equals = true }', "no JSON", set()),
        ('"successor"', f"[{row(0, True)}]", {0}),
    ],
)
def test_messages_of_bars_in_progress_alone_may_be_replaced(
    final: str, data: str, expected: set[int]
) -> None:
    _, mapping = made("websocket", "ws://127.0.0.1:1/", final=final)
    slots = bars_in_progress(mapping)
    assert slots is not None
    assert set(slots(data.encode())) == {("ACME", label_ms) for label_ms in expected}


def test_where_every_bar_that_is_sent_is_final_nothing_is_replaced() -> None:
    _, mapping = made("websocket", "ws://127.0.0.1:1/")
    assert bars_in_progress(mapping) is None
