"""The machine of one range: every row of its table."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.streams.core.scenario import TEST_DAY, Tape, minute_of, two_minutes, utc

RANGE = f"range|COIN|Test|t {TEST_DAY}"
TOUCH = f"touch|COIN|Test|t {TEST_DAY}|"


def live(**changes: object) -> Tape:
    """A range with PoC 120, TO 100 and RPP 80, high 120 and low 90; the next minute is number 3."""
    tape = two_minutes(**changes)
    tape.take(minute_of(0, 90, 120), minute_of(1, 100, 100), minute_of(2, 100, 100))
    return tape


def after(*spans: tuple[float, float], **changes: object) -> Tape:
    """The range after bars with these lows and highs."""
    tape = live(**changes)
    tape.take(*(minute_of(3 + number, *span) for number, span in enumerate(spans)))
    return tape


def touches(tape: Tape) -> list[dict[str, Any]]:
    """Touches in the order of their bars."""
    return sorted(tape.of("touch").values(), key=lambda fact: int(fact["bar_ms"]))


SPANS: dict[str, tuple[float, float]] = {
    "PoC": (115, 125),
    "RPP": (75, 85),
    "TO": (95, 105),
    "PoC and TO": (95, 125),
    "RPP and TO": (75, 105),
    "all": (70, 130),
    "between PoC and TO": (106, 114),
    "between TO and RPP": (86, 94),
    "above PoC": (121, 130),
    "below RPP": (70, 79),
}
NOTHING = dict.fromkeys(SPANS, "")
PATHS: dict[str, list[str]] = {
    "unbroken": [],
    "first_break": ["{side}"],
    "return": ["{side}", "TO"],
    "second_break_same": ["{side}", "TO", "{side}"],
    "second_break_opposite": ["{side}", "TO", "{other}"],
    "resolved": ["{side}", "TO", "{side}", "TO"],
}
# State, side of the first break, and what each touch makes of it: event, level, ambiguous or not.
TABLE: dict[tuple[str, str], dict[str, str]] = {
    ("unbroken", "PoC"): {
        "PoC": "first_break PoC",
        "RPP": "first_break RPP",
        "PoC and TO": "first_break PoC",
        "RPP and TO": "first_break RPP",
        "all": "first_break PoC ambiguous",
    },
    ("first_break", "PoC"): dict.fromkeys(("TO", "PoC and TO", "RPP and TO", "all"), "return TO"),
    ("first_break", "RPP"): dict.fromkeys(("TO", "PoC and TO", "RPP and TO", "all"), "return TO"),
    ("return", "PoC"): {
        "PoC": "second_break_same PoC",
        "RPP": "second_break_opposite RPP",
        "PoC and TO": "second_break_same PoC",
        "RPP and TO": "second_break_opposite RPP",
        "all": "second_break_same PoC ambiguous",
    },
    ("return", "RPP"): {
        "PoC": "second_break_opposite PoC",
        "RPP": "second_break_same RPP",
        "PoC and TO": "second_break_opposite PoC",
        "RPP and TO": "second_break_same RPP",
        "all": "second_break_opposite PoC ambiguous",
    },
    **{
        (state, side): dict.fromkeys(("TO", "PoC and TO", "RPP and TO", "all"), "resolved TO")
        for state in ("second_break_same", "second_break_opposite")
        for side in ("PoC", "RPP")
    },
    ("resolved", "PoC"): {},
    ("resolved", "RPP"): {},
}
ROWS = [
    (state, side, touch, result)
    for (state, side), results in TABLE.items()
    for touch, result in (NOTHING | results).items()
]


@pytest.mark.parametrize(("state", "side", "touch", "result"), ROWS)
def test_every_state_meets_every_touch(state: str, side: str, touch: str, result: str) -> None:
    other = "RPP" if side == "PoC" else "PoC"
    path = [SPANS[step.format(side=side, other=other)] for step in PATHS[state]]
    before = after(*path)
    tape = after(*path, SPANS[touch])
    assert before.view[RANGE]["state"] == state
    happened = touches(tape)[len(path) :]
    found = [
        f"{fact['event']} {fact['level']}{' ambiguous' * fact['ambiguous']}" for fact in happened
    ]
    assert found == ([result] if result else [])
    fact = tape.view[RANGE]
    if not result:
        assert fact == before.view[RANGE]
        return
    event, level = result.split()[:2]
    first = level if state == "unbroken" else side
    assert (fact["state"], fact["side"], fact["expired"]) == (event, first, False)
    assert fact["event_ms"] == utc(f"{TEST_DAY} 00:04") + len(path) * 60_000


RESOLUTIONS = {"PoC": "single_sided", "RPP": "double_sided"}


@pytest.mark.parametrize(("second", "resolution"), RESOLUTIONS.items())
def test_a_whole_life_has_four_touches_with_prices_and_bars(second: str, resolution: str) -> None:
    tape = after(*(SPANS[step] for step in ("PoC", "TO", second, "TO", "PoC", "TO", "RPP")))
    fact = tape.view[RANGE]
    event = "second_break_same" if second == "PoC" else "second_break_opposite"
    assert [
        (touch["event"], touch["level"], touch["price"], touch["bar_ms"]) for touch in touches(tape)
    ] == [
        ("first_break", "PoC", 120.0, fact["first_break_ms"]),
        ("return", "TO", 100.0, fact["return_ms"]),
        (event, second, 120.0 if second == "PoC" else 80.0, fact["second_break_ms"]),
        ("resolved", "TO", 100.0, fact["resolved_ms"]),
    ]
    assert [fact[f"{name}_ms"] for name in ("first_break", "return", "second_break", "resolved")]
    assert fact["first_break_ms"] == utc(f"{TEST_DAY} 00:03")
    assert fact["resolved_ms"] == utc(f"{TEST_DAY} 00:06")
    assert (fact["state"], fact["resolution"], fact["side"]) == ("resolved", resolution, "PoC")
    assert tape.engine.unresolved("COIN") == 0


def test_a_range_is_published_again_with_each_transition() -> None:
    tape = after(*(SPANS[step] for step in ("PoC", "TO", "PoC", "TO", "PoC")))
    assert [event.state for event in tape.versions(RANGE)] == [
        "unbroken",
        "first_break",
        "return",
        "second_break_same",
        "resolved",
    ]


EDGES = {
    "from above, at the level": ((120, 130), True),
    "from below, at the level": ((110, 120), True),
    "one tick above": ((121, 130), False),
    "one tick below": ((101, 119), False),
    "the level alone": ((120, 120), True),
}


@pytest.mark.parametrize(("span", "touched"), EDGES.values(), ids=EDGES.keys())
def test_a_touch_is_inclusive_and_knows_no_tolerance(
    span: tuple[float, float], touched: bool
) -> None:
    assert bool(touches(after(span))) == touched


def test_a_jump_over_a_level_is_no_touch() -> None:
    tape = after((110, 119), (121, 130), (60, 70), (101, 119))
    assert touches(tape) == []
    assert tape.view[RANGE]["state"] == "unbroken"


def test_the_bar_of_the_true_open_is_not_examined() -> None:
    tape = two_minutes()
    tape.take(minute_of(0, 90, 120), minute_of(1, 100, 100), minute_of(2, 100, 150))
    assert (tape.view[RANGE]["true_open"], tape.view[RANGE]["state"]) == (100.0, "unbroken")


def test_coinciding_levels_break_at_poc_and_are_not_ambiguous() -> None:
    tape = two_minutes()
    tape.take(*(minute_of(number, 100, 100) for number in range(3)))
    fact = tape.view[RANGE]
    assert (fact["poc"], fact["true_open"], fact["rpp"]) == (100.0, 100.0, 100.0)
    tape.take(*(minute_of(number, 100, 100) for number in range(3, 8)))
    assert [(touch["event"], touch["level"]) for touch in touches(tape)] == [
        ("first_break", "PoC"),
        ("return", "TO"),
        ("second_break_same", "PoC"),
        ("resolved", "TO"),
    ]
    assert not any(touch["ambiguous"] for touch in touches(tape))


# TO is labelled 00:02, so a life of five minutes ends at 00:07.
EXPIRIES: dict[str, tuple[int, list[str], str]] = {
    "the bar before the expiry still counts": (6, ["expired", "first_break"], "first_break"),
    "the bar at the expiry does not": (7, ["expired"], "unbroken"),
    "nor does a later one": (9, ["expired"], "unbroken"),
}


@pytest.mark.parametrize(("minute", "events", "state"), EXPIRIES.values(), ids=EXPIRIES.keys())
def test_bars_are_examined_by_label_until_the_expiry(
    minute: int, events: list[str], state: str
) -> None:
    tape = live(expires_minutes=5)
    produced = tape.take(minute_of(minute, 115, 125))
    fact = tape.view[RANGE]
    assert sorted(touch["event"] for touch in touches(tape)) == events
    assert (fact["state"], fact["expired"]) == (state, True)
    assert fact["expires_ms"] == fact["event_ms"] == utc(f"{TEST_DAY} 00:07")
    # One version for one record, and the touches by event_ms, then id.
    assert [event.id for event in produced if event.id == RANGE] == [RANGE]
    published = [event.id for event in produced if event.id.startswith("touch")]
    assert published == [TOUCH + event for event in events]


def test_an_expiry_has_no_level_and_comes_with_the_watermark() -> None:
    tape = after(SPANS["PoC"], expires_minutes=5)
    tape.clock("COIN", utc(f"{TEST_DAY} 00:06:59"))
    assert tape.view[RANGE]["expired"] is False
    tape.clock("COIN", utc(f"{TEST_DAY} 00:08"))
    fact = tape.view[TOUCH + "expired"]
    assert (fact["level"], fact["price"], fact["ambiguous"]) == (None, None, False)
    assert fact["bar_ms"] == fact["event_ms"] == utc(f"{TEST_DAY} 00:07")
    assert fact["range"] == RANGE
    assert (tape.view[RANGE]["state"], tape.view[RANGE]["side"]) == ("first_break", "PoC")
    assert tape.view[RANGE]["event_ms"] == utc(f"{TEST_DAY} 00:07")
    produced = tape.take(minute_of(10, 95, 125))
    assert [event.id for event in produced if event.id.startswith(("range", "touch"))] == []
    assert tape.engine.unresolved("COIN") == 0


def test_a_resolved_range_does_not_expire() -> None:
    tape = after(*(SPANS[step] for step in ("PoC", "TO", "PoC", "TO")), expires_minutes=5)
    tape.clock("COIN", utc(f"{TEST_DAY} 00:30"))
    assert TOUCH + "expired" not in tape.view
    assert tape.view[RANGE]["expired"] is False


def test_a_range_whose_life_is_jumped_over_is_published_once_as_expired() -> None:
    tape = two_minutes(expires_minutes=5)
    tape.take(minute_of(0, 90, 120), minute_of(1, 100, 100))
    tape.take(minute_of(2, 100, 100))
    other = two_minutes(expires_minutes=1)
    other.take(minute_of(0, 90, 120), minute_of(1, 100, 100))
    # The bar of the true open ends at the expiry.
    other.take(minute_of(2, 100, 100))
    [event] = other.versions(RANGE)
    assert (event.state, event.expired, event.poc) == ("unbroken", True, 120.0)
    assert tape.view[RANGE]["expired"] is False


FIRST_TOUCH: dict[str, tuple[list[tuple[float, float]], list[str], str]] = {
    "high": ([(115, 125)], ["touched_high"], "touched"),
    "low": ([(85, 90)], ["touched_low"], "touched"),
    "neither": ([(91, 119)], [], "untouched"),
    "both in one bar": ([(85, 125)], ["touched_high", "touched_low"], "resolved"),
    "each once": ([(85, 95), (85, 95), (120, 121)], ["touched_low", "touched_high"], "resolved"),
    "nothing afterwards": (
        [(85, 125), (85, 125)],
        ["touched_high", "touched_low"],
        "resolved",
    ),
}


@pytest.mark.parametrize(("spans", "events", "state"), FIRST_TOUCH.values(), ids=FIRST_TOUCH.keys())
def test_first_touch_takes_high_and_low_once_each(
    spans: list[tuple[float, float]], events: list[str], state: str
) -> None:
    tape = live(machine="first_touch")
    tape.take(*(minute_of(3 + number, *span) for number, span in enumerate(spans)))
    found = [event for event in tape.events if event.id.startswith("touch")]
    assert [event.id.removeprefix(TOUCH) for event in found] == events
    fact = tape.view[RANGE]
    assert fact["state"] == state
    nulls = ("true_open", "poc", "rpp", "side", "resolution", "first_break_ms", "resolved_ms")
    assert [fact[name] for name in nulls] == [None] * len(nulls)
    assert (fact["high"], fact["low"]) == (120.0, 90.0)


@pytest.mark.parametrize("cut", range(3, 9))
def test_a_restored_range_lives_on(cut: int) -> None:
    spans = [SPANS[step] for step in ("all", "TO", "RPP", "PoC", "TO")]
    straight = after(*spans, expires_minutes=60)
    tape = live(expires_minutes=60)
    for number, span in enumerate(spans, 3):
        if number == cut:
            tape.restart()
        tape.take(minute_of(number, *span))
    assert tape.events == straight.events
