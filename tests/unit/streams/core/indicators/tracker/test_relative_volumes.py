"""Volumes by slot in the state of relative volumes: records of their own, and how it was before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tapeline.schemas.records import Bar, Cancel
from tapeline.streams.core.engine import GroupEngine, StateIncompleteError
from tests.unit.streams.core.scenario import MINUTE_MS, Tape, at, equity, flat, minutes

STORED = Path(__file__).parents[5] / "data" / "states" / "volumes_in_restore_points.json"
"""Records of the bars of `book` up to `CUT`, written every fifth bar."""
OWN = """indicators = ["own"]
base = "30m"
horizon_sessions = 2
ranges = []
swings = false
max_ahead = 0
[indicators.own]
list = ["rvol(2)", "vwap", "sma(3)"]
intervals = ["60m"]
"""
DATES = (
    "2025-06-25", "2025-06-26", "2025-06-27", "2025-06-30", "2025-07-01", "2025-07-02",
    "2025-07-03", "2025-07-07",
)  # fmt: skip
CUT = 70


def book() -> list[Bar]:
    """Sessions of half hours, one of them short; some bars, and some volumes, are not there."""
    found: list[Bar] = []
    for number, date in enumerate(DATES):
        for slot in range(7 if date == "2025-07-03" else 13):
            if (number + slot) % 6 != 5:
                volume = None if (number * slot) % 7 == 6 else 10 * number + slot
                start_ms = at(f"{date} 09:30") + 30 * slot * MINUTE_MS
                found.append(flat("ACME", start_ms, 10.0 + slot, "30m", volume))
    return found


def corrected(tape: Tape, *changed: Bar) -> list[str]:
    """Hand records over; returns what they published."""
    count = len(tape.events)
    tape.take(*changed)
    return [str(event) for event in tape.events[count:]]


@pytest.mark.parametrize("again", [False, True], ids=["restarted once", "restarted again"])
def test_a_state_of_before_goes_on_as_if_it_had_never_stopped(again: bool) -> None:
    whole, tape = equity(OWN), equity(OWN)
    for each in (whole, tape):
        each.take(*book()[:CUT])
    table: dict[str, Any] = json.loads(STORED.read_bytes())
    tape.engine = GroupEngine.restore(tape.plan, dict(table))
    if again:
        table |= json.loads(json.dumps(tape.engine.changed()))
        tape.engine = GroupEngine.restore(tape.plan, dict(table))
    for at_once in (book()[50:51], book()[CUT : CUT + 3], book()[60:61], book()[CUT + 3 :]):
        wrong = [flat("ACME", each.start_ms, 11.0, "30m", 999) for each in at_once]
        for bars in (wrong, at_once):
            published = corrected(tape, *bars)
            assert published == corrected(whole, *bars)
            assert any("rvol_2_60m" in each for each in published)


def test_volumes_of_a_state_of_before_are_written_with_the_next_step() -> None:
    tape = equity(OWN)
    table: dict[str, Any] = json.loads(STORED.read_bytes())
    assert not any("/volumes/" in key for key in table)
    tape.engine = GroupEngine.restore(tape.plan, dict(table))
    written = tape.engine.changed()
    assert "ACME/added/indicators/volumes/sessions" in written
    assert not any("/volumes/" in key for key in tape.engine.changed())


def stock(text: str, extra: str, more: str = "") -> Tape:
    """An equity with one indicator on 5m."""
    own = f'[indicators.own]\nlist = ["{text}"]\nintervals = ["5m"]\n'
    return equity(f'indicators = ["own"]\n{extra}', own + more)


def test_restore_points_hold_no_volumes_of_slots_and_a_bar_writes_a_chunk_of_them() -> None:
    tape = stock("rvol(10)", "ranges = []\nswings = false\nhorizon_sessions = 3\n")
    table: dict[str, Any] = {}
    for day in range(2, 31):
        if day in (7, 8, 14, 15, 19, 21, 22, 28, 29):
            continue
        tape.take(*minutes("ACME", f"2025-06-{day:02} 09:30", 390))
        table |= tape.engine.changed()
    sizes = {key: len(json.dumps(data)) for key, data in table.items()}
    assert max(size for key, size in sizes.items() if key == "hot" or "/ring/" in key) < 1_500
    volumes = [key for key in sizes if "/volumes/" in key]
    # Sessions of rvol, those that corrections reach, and the one that its restore point lies in.
    assert len({key.split("/")[4] for key in volumes} - {"sessions"}) <= 10 + 3 + 3
    tape.take(*minutes("ACME", "2025-07-01 09:30", 60))
    tape.engine.changed()
    tape.take(*minutes("ACME", "2025-07-01 10:30", 10))
    written = [key for key in tape.engine.changed() if "/added/" in key]
    assert [key.split("/", 3)[3] for key in sorted(written)] == [
        f"volumes/{written[0].split('/')[4]}/1",
        "volumes/sessions",
    ]
    del table[volumes[0]]
    with pytest.raises(StateIncompleteError, match="there is no 'ACME/added/indicators/volumes/"):
        GroupEngine.restore(tape.plan, table)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_relative_volume_comes_back_after_a_longer_silence_than_is_corrected(
    restarted: bool,
) -> None:
    extra = "horizon_sessions = 1\nmax_ahead = 0\n"
    tape, quiet = (stock("rvol(2)", extra, 'publish = "latest"\n') for _ in range(2))
    for each in (tape, quiet):
        for number, day in enumerate(("2025-07-01", "2025-07-02", "2025-07-03"), 1):
            first = at(f"{day} 09:30")
            for minute in range(7):
                each.take(flat("ACME", first + minute * MINUTE_MS, 9.0, volume=number + minute))
    late = at("2025-08-01 09:30")
    tape.take(*(flat("ACME", late + n * MINUTE_MS, 9.0, volume=n) for n in range(9)))
    for each in (tape, quiet):
        each.clock("ACME", "2025-08-01 16:00")
    assert tape.of("indicators") != quiet.of("indicators")
    if restarted:
        tape.restart()
    tape.take(*(Cancel("ACME", "1m", late + n * MINUTE_MS) for n in range(9)))
    assert tape.of("indicators") == quiet.of("indicators")
    # 42 of volume up to the seventh minute, against 28 and 35.
    [row] = tape.of("indicators").values()
    assert row["values"] == {"rvol_2_5m": 42 / ((28 + 35) / 2)}
