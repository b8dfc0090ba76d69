"""A mapping over a tape: what messages become, and stamps that are not true."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from tapeline.schemas.config.feed_loading import preset_names
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.instants import MINUTE_MS, SECOND_MS
from tapeline.streams.feeds.live.check import CheckReport, check_tape
from tapeline.streams.feeds.live.mapping.compiled import compile_mapping
from tapeline.streams.feeds.live.secrets import read_secrets
from tapeline.streams.feeds.live.tape import TapeMessage, tape_messages
from tests.feed_mappings import ENVIRONMENT, OWN, OWN_BAR, START_MS, SYMBOLS, TAPES, row


def checked(text: str, tape: Iterable[TapeMessage]) -> CheckReport:
    config = read_config(text, "desk.toml")
    feed = config.feeds["mine"]
    return check_tape(
        feed, config, compile_mapping(feed, config, read_secrets(feed, ENVIRONMENT)), tape
    )


def tape(late_ms: int, *rows: dict[str, Any], number: int = 1) -> list[TapeMessage]:
    """A message a row, received so long after the end of its minute."""
    return [
        TapeMessage(at, json.dumps({"rows": [each]}).encode(), each["t"] + MINUTE_MS + late_ms)
        for at, each in enumerate(rows, start=number)
    ]


MINUTES = [row(t=START_MS + number * MINUTE_MS) for number in range(4)]


@pytest.mark.parametrize("preset", preset_names())
def test_a_preset_fits_its_tape_but_for_what_its_tape_has_of_faults(preset: str) -> None:
    text = f"[feeds.mine]\nuse = '{preset}'\nsymbols = {SYMBOLS[preset]}"
    report = checked(text, tape_messages(str(TAPES / f"{preset}.jsonl")))
    faults = {"kraken": ("1 dead letter",), "tradingview": ("2 dead letters",)}
    assert report.findings == faults.get(preset, ())
    assert report.counts["bar"] >= 2
    assert report.unseen == (("NONE",) if preset == "kraken" else ())


def test_a_true_stamp_is_no_finding() -> None:
    report = checked(OWN + OWN_BAR, tape(300, *MINUTES))
    assert report.findings == ()
    assert report.counts == {"bar": 4}
    assert report.unseen == ("XYZ",)


def test_an_end_that_is_read_as_a_start_is_reported() -> None:
    """The bar that is read is not over when it comes."""
    ends = [
        TapeMessage(each.number, _moved(each.data, MINUTE_MS), each.recv_ms)
        for each in tape(300, *MINUTES)
    ]
    report = checked(OWN + OWN_BAR, ends)
    (finding,) = report.findings
    assert finding.startswith(
        "4 of 4 bars came before their slot was over, the first 59.7 s before"
    )
    assert 'stamp = "close"' in finding
    closed = OWN_BAR.replace('unit = "ms"', 'unit = "ms", stamp = "close"')
    assert checked(OWN + closed, ends).findings == ()


@pytest.mark.parametrize(("base", "word"), [("1m", 'stamp = "open"'), ("1s", "")])
def test_bars_a_slot_late_are_reported_where_slots_are_longer_than_clocks_differ(
    base: str, word: str
) -> None:
    length_ms = {"1m": MINUTE_MS, "1s": SECOND_MS}[base]
    messages = [
        TapeMessage(at, each.data, each.recv_ms - MINUTE_MS + 2 * length_ms)
        for at, each in enumerate(tape(300, *MINUTES))
        if each.recv_ms is not None
    ]
    instruments = "".join(
        f"[instruments.{symbol}]\ntick = 0.01\ncalendar = '24/7'\nbase = '{base}'\n"
        for symbol in ("ACME", "XYZ")
    )
    mapping = (OWN + OWN_BAR).replace('"1m" = "60"', f'"{base}" = "60"')
    found = checked(instruments + mapping, messages).findings
    assert [word in each for each in found] == [True] * bool(word)


def test_an_end_of_a_bar_in_progress_is_reported_too() -> None:
    in_progress = OWN_BAR + 'final = "elapsed"\n'
    opened = tape(-40_000, *MINUTES)
    assert checked(OWN + in_progress, opened).findings == ()
    ends = [TapeMessage(each.number, _moved(each.data, MINUTE_MS), each.recv_ms) for each in opened]
    (finding,) = checked(OWN + in_progress, ends).findings
    assert 'stamp = "close"' in finding


@pytest.mark.parametrize("late_ms", [0, 300, 20_000, 15 * MINUTE_MS])
def test_a_provider_that_is_slow_has_no_wrong_stamp(late_ms: int) -> None:
    assert checked(OWN + OWN_BAR, tape(late_ms, *MINUTES)).findings == ()


def test_a_start_that_is_read_as_an_end_is_reported() -> None:
    closed = OWN_BAR.replace('unit = "ms"', 'unit = "ms", stamp = "close"')
    (finding,) = checked(OWN + closed, tape(300, *MINUTES)).findings
    assert finding.startswith("all 4 bars came a slot or more after they could")


def test_a_tape_without_times_is_not_asked_about_stamps() -> None:
    bare = [TapeMessage(each.number, _moved(each.data, MINUTE_MS)) for each in tape(0, *MINUTES)]
    assert checked(OWN + OWN_BAR, bare).findings == ()


def _moved(data: bytes, by_ms: int) -> bytes:
    message = json.loads(data)
    message["rows"][0]["t"] += by_ms
    return json.dumps(message).encode()


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"o": 1.00005}, "off_tick: "),
        ({"h": 0.5}, "inconsistent_ohlc: "),
        ({"t": 5}, "implausible_time: "),
        ({"t": START_MS + 1}, "misaligned_start: "),
        ({"o": "NaN"}, "bad_price: "),
    ],
)
def test_what_the_core_refuses_is_a_dead_letter_here(fields: dict[str, Any], text: str) -> None:
    report = checked(OWN + OWN_BAR, tape(300, {**row(), **fields}))
    (became,) = report.messages[0].became
    assert became.kind == "dead letter"
    assert became.text.startswith(text)
    assert "1 dead letter" in report.findings


def test_a_price_off_the_tick_is_rounded_where_the_feed_says_so() -> None:
    text = OWN + OWN_BAR + "[feeds.mine.truth]\ntick = 'nearest'\n"
    assert checked(text, tape(300, row(o=1.00005))).findings == ()


def test_a_mapping_of_another_provider_makes_no_bar() -> None:
    report = checked(OWN + OWN_BAR, tape_messages(str(TAPES / "alpaca.jsonl")))
    assert "no message became a bar" in report.findings
