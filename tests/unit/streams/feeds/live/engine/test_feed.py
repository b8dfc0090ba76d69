"""Both sides of a feed's engine together: from an address to records, and over an outage."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random

from tapeline.schemas.config.feeds import FeedConfig, HistoryConfig, TruthConfig
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.feed_events import Hole
from tapeline.schemas.records import Bar
from tapeline.streams.feeds.live.engine.feed import FeedEngine
from tapeline.streams.feeds.live.model import (
    Acknowledged,
    Action,
    Answered,
    Append,
    Connect,
    ConnectionClosed,
    ConnectionOpened,
    Event,
    Fetch,
    HistoryPage,
    HistoryRequest,
    HttpRequest,
    Instant,
    Leave,
    Received,
    Report,
    StopAsked,
    Timer,
)
from tapeline.streams.pipeline.log_writer import KnownLog
from tapeline.streams.pipeline.routing import Router
from tests.unit.streams.feeds.live.engine.dialect import Dialect, bar_text, text

START = 1_764_583_200_000
MINUTE = 60_000


class _WithHistory(Dialect):
    has_history = True

    def history(self, symbols: Sequence[str], from_ms: int, to_ms: int) -> list[HistoryRequest]:
        http = HttpRequest("https://feed.example/bars", "https://feed.example/bars")
        return [HistoryRequest(tuple(symbols), from_ms, to_ms, http)]

    def page(self, request: HistoryRequest, body: bytes) -> HistoryPage:
        rows = [
            Bar("COIN", "1m", label, 10.0, 10.0, 10.0, 10.0, 1)
            for label in json.loads(body)
            if request.from_ms <= label <= request.to_ms
        ]
        return HistoryPage(tuple(rows))


class _Run:
    """An engine on a virtual clock; its history has a bar a minute, three seconds after its end."""

    def __init__(self, known: KnownLog | None = None, seconds: float = 0.0) -> None:
        config = read_config('[instruments.COIN]\ntick = 0.01\ncalendar = "24/7"\n', "feed.toml")
        settings = FeedConfig(
            name="mine",
            kind="websocket",
            url="",
            symbols={"COIN": "COIN"},
            history=HistoryConfig(requests=600, reach_ms=10 * MINUTE),
            truth=TruthConfig(),
        )
        mapping = _WithHistory(("COIN",))
        known = known or KnownLog()
        self.engine = FeedEngine(settings, mapping, Router(config), known, Random(1))
        self.seconds = seconds
        self.refused_ms: int | None = None
        self.actions: list[Action] = []
        self.times: list[tuple[type[Action], float]] = []
        self.labels: list[int] = []

    def event(self, seconds: float, event: Event) -> None:
        """Let time pass, then an event come."""
        while self.engine.next_ms <= seconds * 1_000:
            self.seconds = max(self.seconds, self.engine.next_ms / 1_000)
            self._take(Timer())
        self.seconds = seconds
        self._take(event)

    def _take(self, event: Event) -> None:
        mono_ms = round(self.seconds * 1_000)
        actions = self.engine.handle(event, Instant(mono_ms, START + mono_ms))
        self.actions += actions
        self.times += [(type(action), self.seconds) for action in actions]
        for action in actions:
            if isinstance(action, Fetch) and self.refused_ms is not None:
                refusal = Answered(action.request, 429, b"", retry_after_ms=self.refused_ms)
                self._take(refusal)
            elif isinstance(action, Fetch):
                now_ms = START + mono_ms
                labels = range(START - 20 * MINUTE, now_ms - MINUTE - 2_900, MINUTE)
                self._take(Answered(action.request, 200, json.dumps(list(labels)).encode()))
            elif isinstance(action, Append):
                self.labels += [
                    (entry.record.start_ms - START) // MINUTE
                    for entry in action.entries
                    if isinstance(entry.record, Bar)
                ]
                self._take(Acknowledged(action.batch))

    def holes(self) -> list[tuple[str, str]]:
        """Causes and states of holes as they were reported."""
        return [
            (action.event.cause, action.event.state)
            for action in self.actions
            if isinstance(action, Report) and isinstance(action.event, Hole)
        ]

    def open(self, seconds: float, connection: int) -> None:
        """A connection opens and the provider answers to all steps."""
        self.event(seconds, ConnectionOpened(connection))
        self.event(seconds, Received(connection, text(welcome=True)))
        self.event(seconds, Received(connection, text(subscribed=["COIN"])))


def test_a_feed_connects_fills_what_is_behind_it_and_follows_the_stream() -> None:
    run = _Run()
    run.event(0, Timer())
    assert [type(action) for action in run.actions if isinstance(action, Connect)] == [Connect]
    run.open(1, 1)
    assert run.labels == list(range(-9, -1))
    assert not run.engine.caught_up
    run.event(60.5, Received(1, bar_text("COIN", START)))
    assert run.labels[-1] == 0
    run.event(64, Timer())
    assert run.engine.caught_up
    assert run.engine.written
    assert run.labels == list(range(-9, 1))


def test_an_outage_is_a_hole_that_the_history_fills() -> None:
    run = _Run()
    run.open(1, 1)
    run.event(60.5, Received(1, bar_text("COIN", START)))
    run.event(90, ConnectionClosed(1, 1006))
    run.event(300, Timer())
    second = [action for action in run.actions if isinstance(action, Connect)][-1].connection
    run.open(300, second)
    run.event(360.5, Received(second, bar_text("COIN", START + 5 * MINUTE)))
    run.event(400, Timer())
    assert sorted(run.labels) == list(range(-9, 6))
    assert len(set(run.labels)) == len(run.labels)
    assert run.holes()[-1] == ("disconnect", "filled")
    assert ("disconnect", "open") in run.holes()


def test_pauses_of_connections_and_of_the_history_are_both_kept_by_the_next_process() -> None:
    run = _Run()
    run.refused_ms = 600_000
    run.open(1, 1)
    run.event(5, Received(1, text(notice="refused", wait=45_000)))
    view = {action.event.id: action.event for action in run.actions if isinstance(action, Report)}
    known = KnownLog()
    for event in view.values():
        known.take(event)
    second = _Run(known, seconds=10)
    second.event(49, Timer())
    assert [action for action in second.actions if isinstance(action, Connect)] == []
    second.event(52, Timer())
    (connect,) = [action for action in second.actions if isinstance(action, Connect)]
    second.open(52, connect.connection)
    for beat in range(60, 640, 30):
        second.event(beat, Received(connect.connection, text(beat=START + beat * 1_000)))
    asked = [seconds for kind, seconds in second.times if kind is Fetch]
    assert min(asked) == 601


def test_a_feed_that_is_asked_to_stop_is_done_when_all_is_written() -> None:
    run = _Run()
    run.open(1, 1)
    run.event(60.5, Received(1, bar_text("COIN", START)))
    run.event(70, StopAsked())
    assert run.engine.written
    assert [action.exit_code for action in run.actions if isinstance(action, Leave)] in ([], [0])
