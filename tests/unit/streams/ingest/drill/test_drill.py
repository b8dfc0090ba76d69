"""Every preset, and a feed of one's own, against a provider that fails."""

from __future__ import annotations

import pytest

from tapeline.schemas.config.feed_loading import preset_names
from tapeline.schemas.config.loading import read_config
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.live.engine import limiter, pauses, silences, statements
from tapeline.streams.feeds.live.engine.evidence import Proof
from tapeline.streams.feeds.live.engine.symbol import FeedSymbol
from tapeline.streams.feeds.live.exchange.market import SampleMarket
from tapeline.streams.feeds.live.exchange.server import SampleExchange
from tapeline.streams.feeds.live.exchange.settings import sample_settings
from tapeline.streams.ingest.drill.drill import FeedDrill, chosen_scripts, drill_feed
from tests.feed_mappings import START_MS, SYMBOLS

SHORT = ("cut", "restart", "stranger")
OWN = """
[feeds.mine]
kind = "websocket"
url = "wss://feed.example/stream?key=${OWN_KEY}"
symbols = { ALPHA = "a.x", BETA = "b.x", GAMMA = "c.x" }

[feeds.mine.session]
open = [
  { send = '["login","${OWN_KEY}"]', expect = { "[0]" = "welcome" }, fatal = { "[0]" = "denied" } },
  { send = '["sub",${symbols},${id}]', chunk = 2, expect = { "[1]" = "${symbols}" } },
]
alive = { where = { "[0]" = "hb" }, every = "20s" }
two_connections = true

[feeds.mine.bar]
each = "[2][*]"
where = { "$[0]" = "bars" }
symbol = "[0]"
start = { path = "[1]", unit = "local", zone = "Europe/Berlin", stamp = "close" }
prices = { open = "[2]", high = "[3]", low = "[4]", close = "[5]" }
volume = "[6]"
final = { path = "[7]", equals = ["F", "C"] }
sent = { path = "$[1]", unit = "ms" }

[[feeds.mine.notice]]
where = { "[0]" = "halt" }
means = "halt"
symbol = "[1]"
start = { path = "[2]", unit = "ms" }

[[feeds.mine.notice]]
where = { "[0]" = "resume" }
means = "resume"
symbol = "[1]"
start = { path = "[2]", unit = "ms" }

[[feeds.mine.notice]]
where = { "[0]" = "bust" }
means = "removed"
symbol = "[1]"
start = { path = "[2]", unit = "ms" }

[[feeds.mine.notice]]
where = { "[0]" = "bye" }
means = "shutdown"

[feeds.mine.history]
url = "https://api.example/{symbol}/{from_ns}?until={to_us}&k=${OWN_KEY}"
rows = "data.rows[*]"
start = { path = "end", unit = "s", stamp = "last_ms" }
prices = { open = "o", high = "h", low = "l", close = "c" }
volume = "v"
next = "data.after"
next_auth = "k=${OWN_KEY}"
end = "exclusive"

[feeds.mine.truth]
silence = "canary"
"""
POLLED = """
[feeds.mine]
kind = "http"
url = "https://feed.example/latest?names={symbols}&key=${POLL_KEY}"
symbols = { ALPHA = "a", BETA = "b" }

[feeds.mine.session]
poll = "10s"

[feeds.mine.bar]
each = "rows[*]"
symbol = "[0]"
start = { path = "[1]", unit = "s", stamp = "close" }
prices = { open = "[2]", high = "[3]", low = "[4]", close = "[5]" }
volume = "[6]"
final = { path = "[7]", equals = true }

[feeds.mine.history]
url = "https://feed.example/range?name={symbol}&from={from_s}&to={to_s}"
rows = "rows[*]"
next = { param = "token", path = "token" }
"""


def drilled(text: str, *names: str) -> FeedDrill:
    config = read_config(text, "desk.toml")
    return drill_feed(config.feeds["mine"], config, chosen_scripts(names), START_MS)


def failures(report: FeedDrill) -> dict[str, tuple[str, ...]]:
    return {each.name: each.why for each in report.results if each.outcome == "failed"}


def preset(name: str) -> str:
    return f"[feeds.mine]\nuse = '{name}'\nsymbols = {SYMBOLS[name]}"


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_holds(name: str) -> None:
    report = drilled(preset(name), *SHORT)
    assert failures(report) == {}
    assert report.holds
    held = [each for each in report.results if each.outcome == "held"]
    assert len(held) >= 2
    assert all(each.counts["bars"] for each in held)


def test_every_script_holds_for_a_feed_that_can_play_it() -> None:
    report = drilled(OWN)
    assert failures(report) == {}
    skipped = {each.name: each.why for each in report.results if each.outcome == "skipped"}
    assert skipped == {"stranger": ("nothing is posted to us",)}


def test_a_feed_that_is_polled_holds() -> None:
    report = drilled(POLLED, "limit", "restart", "late")
    assert [each.outcome for each in report.results] == ["held"] * 3


def test_a_feed_of_bars_of_a_second_holds() -> None:
    text = sample_settings(SampleExchange(SampleMarket(), 1), "mine")
    report = drilled(text, "late")
    assert [each.outcome for each in report.results] == ["held"]


def test_a_feed_that_does_not_wait_after_a_refusal_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pauses, "PAUSE_MS", 5_000)
    report = drilled(preset("alpaca"), "policy")
    assert not report.holds
    assert "not 60 s" in failures(report)["policy"][0]


def test_a_feed_that_writes_what_it_wrote_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "same_content", lambda one, other: False)
    assert "was written twice" in failures(drilled(OWN, "copies"))["copies"][0]


def test_a_feed_that_takes_its_own_clock_for_evidence_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def by_our_clock(state: FeedSymbol, label_ms: int, *_: object) -> Proof:
        return Proof("canary", state.slots.end(label_ms))

    monkeypatch.setattr(silences, "proof_of_silence", by_our_clock)
    assert "has no evidence" in " ".join(failures(drilled(OWN, "silent"))["silent"])


def test_a_feed_that_asks_too_often_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiter.Limiter, "free_at", lambda self, now_ms: now_ms)
    text = POLLED + "rate = { requests = 2, per = '60s' }\n"
    assert "more than 2 requests within 60 s" in failures(drilled(text, "no_history"))["no_history"]


def test_what_cannot_be_drilled_is_refused() -> None:
    text = "[feeds.mine]\nkind = 'databento'\nurl = 'tcp://127.0.0.1:1'\nsymbols = ['ES']"
    with pytest.raises(InputError, match="kind databento is not drilled"):
        drilled(text)
    with pytest.raises(InputError, match="nearest: cut"):
        chosen_scripts(("cutt",))
