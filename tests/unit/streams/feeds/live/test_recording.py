"""What an engine was given is put on a tape, from which the same records are made again."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.feed_events import Connection
from tapeline.schemas.instants import HOUR_MS, MINUTE_MS
from tapeline.streams.feeds.live.engine.feed import FeedEngine
from tapeline.streams.feeds.live.mapping.compiled import Mapping, compile_mapping
from tapeline.streams.feeds.live.model import ConnectionOpened, Instant, Received, Report, Timer
from tapeline.streams.feeds.live.recording import TapedEngine
from tapeline.streams.feeds.live.replay import Result, replay_tape
from tapeline.streams.feeds.live.secrets import read_secrets
from tapeline.streams.feeds.live.tape import EVENTS, TapeMessage, tape_messages
from tapeline.streams.pipeline.log_writer import KnownLog
from tapeline.streams.pipeline.routing import Router
from tests.feed_mappings import ENVIRONMENT, OWN, OWN_BAR, START_MS, row

TEXT = (
    OWN.replace(', XYZ = "xyz"', "").replace("{topics}", "stream")
    + OWN_BAR
    + """
[feeds.mine.history]
url = "https://api.example/bars?s={symbol}&from={from_ms}&to={to_ms}&key=${FEED_KEY}"
rows = "bars[*]"
reach = "5m"
"""
)


def made() -> tuple[FeedEngine, Mapping]:
    """A new engine of the feed, and its mapping."""
    config = read_config(TEXT, "desk.toml")
    feed = config.feeds["mine"]
    mapping = compile_mapping(feed, config, read_secrets(feed, ENVIRONMENT))
    return FeedEngine(feed, mapping, Router(config), KnownLog(), Random(1)), mapping


def message(number: int, after_ms: int, rows: list[int], key: str = "rows") -> TapeMessage:
    bars = [row(t=START_MS + minute * MINUTE_MS) for minute in rows]
    data = json.dumps({key: bars, "more": 'quoted"key'}).encode()
    via = "stream" if key == "rows" else "history"
    return TapeMessage(number, data, START_MS + after_ms, via)  # type: ignore[arg-type]


def given() -> list[TapeMessage]:
    return [
        message(1, -1_000, []),
        message(2, -500, [-3, -2], "bars"),
        message(3, 3_500, [-1], "bars"),
        message(4, MINUTE_MS + 300, [0]),
        message(5, 2 * MINUTE_MS + 200, [1]),
        TapeMessage(6, b"\xff not text", START_MS + 2 * MINUTE_MS + 900),
        message(7, 3 * MINUTE_MS + 100, [2]),
    ]


def taped(tape: list[TapeMessage], path: Path) -> list[Result]:
    """What comes of a tape, which is recorded once more on the way."""
    engine, mapping = made()
    lines: list[bytes] = []
    results = replay_tape(TapedEngine(engine, mapping, lines.append), tape)
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return results


def test_a_recorded_tape_leads_to_the_same_results(tmp_path: Path) -> None:
    first = taped(given(), tmp_path / "first.jsonl")
    again = list(tape_messages(str(tmp_path / "first.jsonl")))
    second = taped(again, tmp_path / "second.jsonl")
    assert second == first
    assert (tmp_path / "second.jsonl").read_bytes() == (tmp_path / "first.jsonl").read_bytes()
    assert [each.via for each in again if each.via in EVENTS] == ["begun", "opened"]
    assert len(again) == 2 + len(given())


def test_a_cut_is_on_the_tape_and_comes_again(tmp_path: Path) -> None:
    closed = TapeMessage(6, b"", START_MS + 2 * MINUTE_MS + 900, "closed")
    opened = [
        TapeMessage(0, b"", START_MS - 1_000, "opened"),
        TapeMessage(0, b"", START_MS + 2 * MINUTE_MS + 20_000, "opened"),
    ]
    tape = [opened[0], *given()[:5], closed, opened[1], given()[6]]
    first = taped(tape, tmp_path / "first.jsonl")
    states = [each.event for each in first if isinstance(each, Report)]
    lost = [each for each in states if isinstance(each, Connection) and each.state == "lost"]
    assert [each.at_ms for each in lost] == [closed.recv_ms]
    assert taped(list(tape_messages(str(tmp_path / "first.jsonl"))), tmp_path / "x") == first


def test_an_answer_on_a_tape_names_what_was_asked_for(tmp_path: Path) -> None:
    taped(given(), tmp_path / "tape.jsonl")
    answers = [each for each in tape_messages(str(tmp_path / "tape.jsonl")) if each.url]
    assert [each.symbols for each in answers] == [("ACME",), ("ACME",)]
    assert answers[0].url.endswith("&key=${FEED_KEY}")
    assert {each.via for each in answers} == {"history"}


def test_a_tape_holds_no_secret(tmp_path: Path) -> None:
    taped(given(), tmp_path / "tape.jsonl")
    assert b"quoted" not in (tmp_path / "tape.jsonl").read_bytes()


def test_a_step_of_the_wall_clock_leaves_the_times_in_order() -> None:
    engine, mapping = made()
    lines: list[bytes] = []
    taping = TapedEngine(engine, mapping, lines.append)
    taping.handle(Timer(), Instant(1_000, START_MS))
    taping.handle(ConnectionOpened(1), Instant(1_000, START_MS))
    taping.handle(Received(1, b"[]"), Instant(2_000, START_MS + 1_000))
    taping.handle(Received(1, b"[]"), Instant(3_000, START_MS - HOUR_MS))
    assert [json.loads(line)["recv_ms"] - START_MS for line in lines] == [0, 0, 1_000, 2_000]
