"""A tape through the engine of its feed: the same records each time."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from tapeline.schemas.config.feed_loading import preset_names
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.instants import MINUTE_MS
from tapeline.schemas.records import Bar, Clock, LogRecord
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.live.engine.feed import FeedEngine
from tapeline.streams.feeds.live.mapping.compiled import compile_mapping
from tapeline.streams.feeds.live.model import Append, FeedLetter
from tapeline.streams.feeds.live.replay import Result, replay_tape
from tapeline.streams.feeds.live.secrets import read_secrets
from tapeline.streams.feeds.live.tape import TapeMessage, tape_messages
from tapeline.streams.pipeline.log_writer import KnownLog, LogEntry
from tapeline.streams.pipeline.routing import Router
from tests.feed_mappings import ENVIRONMENT, OWN, OWN_BAR, START_MS, SYMBOLS, TAPES, row

HISTORY = """
[feeds.mine.history]
url = "https://api.example/bars?s={symbol}&from={from_ms}&to={to_ms}"
rows = "bars[*]"
reach = "5m"
"""
ONE = OWN.replace(', XYZ = "xyz"', "").replace("{topics}", "stream")


def replayed(text: str, tape: list[TapeMessage]) -> list[Result]:
    config = read_config(text, "desk.toml")
    feed = config.feeds["mine"]
    mapping = compile_mapping(feed, config, read_secrets(feed, ENVIRONMENT))
    return replay_tape(FeedEngine(feed, mapping, Router(config), KnownLog(), Random(1)), tape)


def entries(results: list[Result]) -> list[LogEntry]:
    return [entry for each in results if isinstance(each, Append) for entry in each.entries]


def records(results: list[Result]) -> list[LogRecord]:
    return [entry.record for entry in entries(results)]


def sent(minute: int, late_ms: int = 300, **fields: Any) -> TapeMessage:
    """The bar of a minute, so long after its end."""
    start_ms = START_MS + minute * MINUTE_MS
    data = json.dumps({"rows": [row(t=start_ms, **fields)]}).encode()
    return TapeMessage(minute + 2, data, start_ms + MINUTE_MS + late_ms)


OPENED = TapeMessage(1, b'{"rows": []}', START_MS - 1_000)


@pytest.mark.parametrize("preset", preset_names())
def test_a_tape_leads_to_the_same_results_each_time(preset: str) -> None:
    text = f"[feeds.mine]\nuse = '{preset}'\nsymbols = {SYMBOLS[preset]}"
    tape = list(tape_messages(str(TAPES / f"{preset}.jsonl")))
    first = replayed(text, tape)
    assert replayed(text, tape) == first
    if preset != "kraken":
        bars = [each for each in records(first) if isinstance(each, Bar)]
        assert bars[0].start_ms == START_MS


def test_messages_become_records_in_their_order() -> None:
    tape = [OPENED, sent(0), sent(1, c="1.5"), sent(2)]
    bars = [each for each in records(replayed(ONE + OWN_BAR, tape)) if isinstance(each, Bar)]
    assert [(bar.start_ms - START_MS) // MINUTE_MS for bar in bars] == [0, 1, 2]
    assert [bar.close for bar in bars] == [1.75, 1.5, 1.75]


def answered(after_ms: int, *minutes: int) -> TapeMessage:
    """An answer of the history, so long after the first bar of the stream began."""
    rows = [row(t=START_MS + minute * MINUTE_MS) for minute in minutes]
    data = json.dumps({"bars": rows}).encode()
    return TapeMessage(9, data, START_MS + after_ms, "history", ("ACME",))


def test_answers_of_the_history_come_from_the_tape() -> None:
    # The minute that ends at the opening is asked for once it must be there.
    tape = [OPENED, answered(-500, -3, -2), answered(3_500, -1), sent(0), sent(1)]
    found = records(replayed(ONE + OWN_BAR + HISTORY, tape))
    bars = [each for each in found if isinstance(each, Bar)]
    starts = [(bar.start_ms - START_MS) // MINUTE_MS for bar in bars]
    assert starts == [-3, -2, -1, 0, 1]
    assert [bar.source for bar in bars] == ["fill", "fill", "fill", "live", "live"]


def test_a_minute_that_the_history_lacks_has_a_clock() -> None:
    begun = [answered(-500, -3, -2), answered(3_500, -1), answered(3_600, -1)]
    opened = [OPENED, *begun, sent(0)]
    # Twice: it is the only one that was heard.
    silent = [answered(2 * MINUTE_MS + 3_500), answered(2 * MINUTE_MS + 34_500)]
    for answers, evidence in ((silent, "history"), (silent[:1], "bar")):
        results = replayed(ONE + OWN_BAR + HISTORY, [*opened, *answers, sent(2)])
        clocks = [each for each in entries(results) if isinstance(each.record, Clock)]
        assert [(each.record, each.via) for each in clocks] == [
            (Clock("ACME", START_MS + 2 * MINUTE_MS), evidence)
        ]


def test_a_message_that_cannot_be_read_is_a_dead_letter() -> None:
    results = replayed(ONE + OWN_BAR, [OPENED, TapeMessage(2, b"{", START_MS)])
    (letter,) = [each for each in results if isinstance(each, FeedLetter)]
    assert (letter.code, letter.source) == ("decode_error", f"feed:mine:{START_MS}:1")


@pytest.mark.parametrize(
    ("tape", "message"),
    [
        ([TapeMessage(3, b"{}")], "line 3 of the tape has no time"),
        ([sent(0), TapeMessage(9, b"{}", START_MS)], "line 9 of the tape is earlier"),
    ],
)
def test_a_tape_without_its_times_is_refused(tape: list[TapeMessage], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replayed(ONE + OWN_BAR, tape)


def test_an_empty_tape_leads_to_no_record() -> None:
    assert records(replayed(ONE + OWN_BAR, [])) == []
