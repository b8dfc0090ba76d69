"""One identity of settings: what is in it, when it moves, and what a difference reads like."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config, built_in_config
from tapeline.schemas.instants import day_of
from tapeline.schemas.records import Clock
from tapeline.streams.core.calendar import Calendar, ZoneTable
from tapeline.streams.core.engine import GroupEngine, StateVersionError
from tapeline.streams.core.plan import GroupPlan, InstrumentPlan
from tapeline.streams.core.rules import tracker_versions
from tapeline.streams.core.tracker import Tracker
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.provenance import (
    IDENTITY,
    GroupIdentity,
    Identity,
    IdentityError,
    check_identity,
    check_plan,
    identity_over,
    identity_parts,
    restore_engine,
    restore_planned,
    stored_identity,
)
from tests.unit.streams.calendars.altered import REMOVED, altered
from tests.unit.streams.core.scenario import MINUTE_MS, Tape, at, minutes, template

CONFIG = built_in_config()
OWN_SET = '[indicators.own]\nlist = ["sma(3)"]\nintervals = ["1d"]\n'
ACME = read_config('[instruments.ACME]\ntick = 0.01\ncalendar = "XNYS"\nmax_ahead = 0\n', "test")
WINDOW = 'kind = "stddev"\nfield = "close"\nperiod = "1y"\n'
OPEN = at("2025-12-07 18:00")
"""Of the session of 2025-12-08 of ES."""
MONDAYS = ("2025-11-03", "2025-11-10", "2025-11-17")


def planned(config: Config, group: str, calendar: Calendar | None = None) -> GroupPlan:
    """The plan of a group, on a calendar with other days."""
    plan = plan_group(config, group)
    if calendar is not None:
        for instrument in plan.instruments:
            instrument.calendar = calendar
    return plan


def futures() -> GroupEngine:
    """ES after 90 bars of 2025-12-08."""
    tape = Tape()
    tape.take(*minutes("ES", OPEN, 90, 6800.0))
    return tape.engine


def equities(*days: str) -> GroupEngine:
    """ACME after half an hour of some days."""
    engine = GroupEngine(planned(ACME, "ACME"))
    offset = 0
    for day in days:
        for record in minutes("ACME", f"{day} 09:30", 30):
            engine.apply(record, offset)
            offset += 1
    return engine


def kept(config: Config, engine: GroupEngine) -> tuple[Identity, dict[str, Any]]:
    """What a state keeps of its settings, through JSON."""
    known = GroupIdentity(config, engine)
    identity = stored_identity(json.loads(json.dumps(known.current().stored())))
    assert identity is not None
    return identity, json.loads(json.dumps(known.record()))


def difference(config: Config, engine: GroupEngine, plan: GroupPlan) -> str | None:
    """What a state is refused for under another plan; None: it goes on."""
    try:
        check_plan(config, plan, *kept(config, engine))
    except IdentityError as error:
        return str(error)
    return None


def settings(text: str, group: str) -> str:
    config = read_config(text, "test")
    return identity_over(config, plan_group(config, group), None, None).sha256


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ('[instruments.ACME]\ntick = 0.01\ncalendar = "XNYS"\n', True),
        ('[kafka]\ntopic_prefix = "other"\n', True),
        ('[time]\nearliest = "1962-01-02"\n', True),
        ('[instruments.ES]\nmax_ahead = "3d"\n', True),
        (
            template(
                "own", "Asia/Tokyo", {"kind": "K", "label": "k", "start": "09:00", "minutes": 5}
            ),
            True,
        ),
        ("[instruments.ES]\nhorizon_sessions = 3\n", False),
        ("[instruments.NQ]\nswings = false\n", False),
        ('[derived]\nintervals = ["5m"]\n', False),
        (f"[windows.v]\n{WINDOW}", False),
        (f'[windows.v]\n{WINDOW}symbols = ["NQ"]\n', False),
        (f'[windows.v]\n{WINDOW}symbols = ["AAPL"]\n', True),
        ('[groups]\nES-NQ = ["NQ", "ES"]\n', False),
        (OWN_SET, True),
        (f'{OWN_SET}[instruments.NQ]\nindicators = ["own"]\n', False),
        (f'{OWN_SET}[instruments.ACME]\nindicators = ["own"]\n', True),
    ],
)
def test_only_what_decides_a_groups_results_is_part_of_its_identity(text: str, same: bool) -> None:
    assert (settings(text, "ES-NQ") == settings("", "ES-NQ")) is same


def test_it_reaches_from_200_days_before_the_first_bar_to_the_end_of_the_iso_week() -> None:
    identity, _ = kept(CONFIG, futures())
    assert identity.first == day_of("2025-12-07") - 200
    assert identity.last == day_of("2025-12-12")


def test_before_the_first_bar_nothing_is_in_reach() -> None:
    engine = GroupEngine(plan_group(CONFIG, "ES-NQ"))
    engine.apply(Clock("ES", OPEN), 0)
    identity, _ = kept(CONFIG, engine)
    assert (identity.first, identity.last) == (None, None)
    for instant in ("2025-12-08", "2025-01-09"):
        other = planned(CONFIG, "ES-NQ", altered("CME_EQUITY", {instant: REMOVED}))
        assert difference(CONFIG, engine, other) is None


def test_the_first_bar_of_either_symbol_and_the_watermark_of_either_decide() -> None:
    engine = futures()
    for number, record in enumerate(minutes("NQ", at("2025-11-20 10:00"), 3, 25_000.0), 90):
        engine.apply(record, number)
    identity, _ = kept(CONFIG, engine)
    assert identity.first == day_of("2025-11-20") - 200
    assert identity.last == day_of("2025-12-12")


def test_it_moves_once_a_week_and_with_the_first_bar() -> None:
    engine = GroupEngine(planned(ACME, "ACME"))
    known = GroupIdentity(ACME, engine)
    moved = []
    offset = 0
    for day in ("2025-11-03", "2025-11-04", "2025-11-07", "2025-11-10", "2025-11-11"):
        for record in minutes("ACME", f"{day} 09:30", 390):
            engine.apply(record, offset)
            offset += 1
            if known.changed_record() is not None:
                moved.append(offset)
    # With the first bar, and where the session of Friday is over.
    assert moved == [1, 3 * 390]


def test_what_a_state_was_restored_with_is_not_written_again() -> None:
    engine = futures()
    identity, _ = kept(CONFIG, engine)
    assert GroupIdentity(CONFIG, engine, identity).changed_record() is None
    assert GroupIdentity(CONFIG, engine).changed_record() is not None


def test_an_equal_schedule_is_equal_whatever_artefact_it_is_from() -> None:
    # The first bar is of 2025-12-07: 200 days before it are 2025-05-21.
    outside = {
        "2025-05-20": REMOVED,
        "2016-03-01": REMOVED,
        "2025-12-15": REMOVED,
        "2026-02-02": "16:00",
    }
    for day, change in outside.items():
        other = planned(CONFIG, "ES-NQ", altered("CME_EQUITY", {day: change}))
        assert difference(CONFIG, futures(), other) is None, day


@pytest.mark.parametrize("day", ["2025-05-21", "2025-09-02", "2025-12-08", "2025-12-12"])
def test_a_session_in_reach_that_was_removed_is_refused(day: str) -> None:
    other = planned(CONFIG, "ES-NQ", altered("CME_EQUITY", {day: REMOVED}))
    assert difference(CONFIG, futures(), other) is not None


def test_a_session_of_before_the_first_bars_reach_is_no_matter() -> None:
    other = planned(CONFIG, "ES-NQ", altered("CME_EQUITY", {"2025-01-09": REMOVED}))
    assert difference(CONFIG, futures(), other) is None


def test_a_day_that_was_folded_and_is_shorter_now_is_named_with_both_versions() -> None:
    engine = equities(*MONDAYS)
    message = difference(
        ACME, engine, planned(ACME, "ACME", altered("XNYS", {"2025-11-10": "18:00"}))
    )
    assert message == (
        "the state of group ACME was made with other settings: calendar XNYS, session 2025-11-10:"
        " then 2025-11-10T14:30Z/2025-11-10T21:00Z,"
        " now 2025-11-10T14:30Z/2025-11-10T18:00Z early close"
    )


def test_a_day_of_which_only_a_digest_is_kept_is_named_by_its_month() -> None:
    days = ("2024-03-11", *(f"2024-{month:02}-11" for month in (4, 6, 7, 9, 10, 11, 12)), *MONDAYS)
    engine = equities(*days)
    message = difference(
        ACME, engine, planned(ACME, "ACME", altered("XNYS", {"2024-05-14": REMOVED}))
    )
    assert message is not None
    assert "calendar XNYS, month 2024-05: then sessions of digest " in message
    assert "2024-05-14" not in message
    _, parts = kept(ACME, engine)
    sessions = parts["calendars"]["XNYS"]["sessions"]
    # Ten sessions before 2025-11-17 is 2025-11-03.
    assert min(sessions) == "2025-11-03"
    assert len(parts["calendars"]["XNYS"]["months"]) == 27


def test_a_change_of_a_zone_is_named_with_its_instant() -> None:
    engine = futures()
    plan = plan_group(CONFIG, "ES-NQ")
    summer, winter = -4 * 3_600_000, -5 * 3_600_000
    change_ms = at("2025-11-02 01:00") + 3_600_000
    week_ms = 7 * 1440 * MINUTE_MS
    for member in plan.instruments:
        for kind in member.kinds:
            kind.zone = ZoneTable(
                "America/New_York", [-(1 << 50), change_ms + week_ms], [summer, winter]
            )
    message = difference(CONFIG, engine, plan)
    assert message is not None
    assert "time zone America/New_York, 2025-11-02T06:00Z: then -05:00, now no change" in message
    assert "time zone America/New_York, 2025-11-09T06:00Z: then no change, now -05:00" in message


def test_a_zone_that_is_equal_in_reach_is_equal() -> None:
    plan = plan_group(CONFIG, "ES-NQ")
    summer, winter = -4 * 3_600_000, -5 * 3_600_000
    change_ms = at("2025-11-02 01:00") + 3_600_000
    # Without any change of before, and of another rule from 2026 on.
    for member in plan.instruments:
        for kind in member.kinds:
            kind.zone = ZoneTable("America/New_York", [-(1 << 50), change_ms], [summer, winter])
    assert difference(CONFIG, futures(), plan) is None


SETTINGS = {
    OWN_SET + '[instruments.NQ]\nindicators = ["own"]\n': (
        "indicators.NQ.1d.keys.sma_3_1d: then nothing, now sma(3)"
    ),
    "[instruments.ES]\nhorizon_sessions = 3\n": "instruments.ES.horizon_sessions: then 10, now 3",
    "[instruments.ES]\ntick = 0.5\n": "instruments.ES.tick: then 0.25, now 0.5",
    '[derived]\nincomplete = "skip"\n': "derived.incomplete: then publish, now skip",
}


@pytest.mark.parametrize(("text", "message"), SETTINGS.items())
def test_a_setting_that_changed_is_named_by_its_key(text: str, message: str) -> None:
    identity, parts = kept(CONFIG, futures())
    with pytest.raises(IdentityError, match="group ES-NQ") as caught:
        check_identity(read_config(text, "test"), "ES-NQ", identity, parts)
    assert message in str(caught.value)


def test_a_kind_of_a_template_that_changed_is_named_by_its_key() -> None:
    def config(until: str) -> Config:
        own = template("own", "UTC", {"kind": "K", "label": "k", "start": "00:00", "until": until})
        return read_config(f'[instruments.COIN]\ntick = 1\nranges = ["own"]\n{own}', "test")

    engine = GroupEngine(plan_group(config("00:02"), "COIN"))
    engine.apply(minutes("COIN", OPEN, 1)[0], 0)
    identity, parts = kept(config("00:02"), engine)
    assert parts["calendars"] == {"24/7": "24/7"}
    with pytest.raises(
        IdentityError, match=r"templates\.own\.kinds\[0\]\.until: then 00:02, now 00:03"
    ):
        check_identity(config("00:03"), "COIN", identity, parts)


def _rule(name: str, version: int, _: InstrumentPlan) -> Tracker:
    return Tracker(name, version, ())


@pytest.mark.parametrize(
    ("then", "now", "what"),
    [
        ((), (("vwap", 1),), "trackers.vwap: then nothing, now 1"),
        ((("vwap", 1),), (), "trackers.vwap: then 1, now nothing"),
        ((("vwap", 1),), (("vwap", 2),), "trackers.vwap: then 1, now 2"),
    ],
)
def test_rules_that_the_plan_adds_are_part_of_it_with_their_versions(
    then: tuple[tuple[str, int], ...], now: tuple[tuple[str, int], ...], what: str
) -> None:
    def plan(listed: tuple[tuple[str, int], ...]) -> GroupPlan:
        made = tuple(partial(_rule, name, version) for name, version in listed)
        return plan_group(CONFIG, "ES-NQ", trackers=made)

    identity = identity_over(CONFIG, plan(then), None, None)
    parts = identity_parts(CONFIG, plan(then), identity, None)
    check_plan(CONFIG, plan(then), identity, parts)
    with pytest.raises(IdentityError, match=what):
        check_plan(CONFIG, plan(now), identity, parts)
    assert parts["trackers"] == {**tracker_versions(plan(())), **dict(then)}


def test_of_many_differences_the_first_are_shown() -> None:
    days = ("2025-11-04", "2025-11-05", "2025-11-06", "2025-11-07", "2025-11-10")
    other = altered("XNYS", dict.fromkeys(days, REMOVED))
    message = difference(ACME, equities(*MONDAYS), planned(ACME, "ACME", other))
    assert message is not None
    assert message.count("now no session") == 3
    assert message.endswith("; and 2 more")


def test_a_symbol_that_is_not_configured_any_more_is_named() -> None:
    identity, parts = kept(ACME, equities(MONDAYS[0]))
    others = read_config("[instruments]\ndefault = false\n", "test")
    with pytest.raises(IdentityError, match="symbol ACME is not configured any more"):
        check_identity(others, "ACME", identity, parts)


def test_a_state_without_its_parts_is_refused_by_the_hash() -> None:
    identity, _ = kept(ACME, equities(MONDAYS[0]))
    other = planned(ACME, "ACME", altered("XNYS", {MONDAYS[0]: REMOVED}))
    with pytest.raises(IdentityError, match=f"the hash of all was {identity.sha256[:12]}"):
        check_plan(ACME, other, identity, None)
    with pytest.raises(IdentityError, match="it does not name them"):
        check_plan(ACME, planned(ACME, "ACME"), None, None)


def test_a_range_that_the_calendar_of_now_lacks_is_named() -> None:
    # The true open of the month is on a Sunday after the ISO week: later days may still change.
    tape = Tape()
    for day in ("11-28", "12-01", "12-02"):
        tape.take(*minutes("ES", at(f"2025-{day} 09:00"), 60, 6800.0))
    monthly = [
        range_
        for range_ in tape.engine.tracks("ES").ranges.filling.windows
        if range_.spec.kind == "Monthly"
    ]
    assert [range_.spec.name for range_ in monthly] == ["2025-12"]
    mondays = ("2025-12-08", "2025-12-15", "2025-12-22", "2025-12-29", "2026-01-05", "2026-01-12")
    other = planned(CONFIG, "ES-NQ", altered("CME_EQUITY", dict.fromkeys(mondays, REMOVED)))
    check_plan(CONFIG, other, *kept(CONFIG, tape.engine))
    with pytest.raises(IdentityError, match="the Monthly range that starts at 2025-11-30T23:00Z"):
        restore_planned(other, tape.engine.snapshot())


def test_an_engine_is_restored_under_equal_settings_and_under_no_others() -> None:
    engine = futures()
    identity, parts = kept(CONFIG, engine)
    records = {IDENTITY: parts, **engine.snapshot()}
    assert restore_engine(CONFIG, "ES-NQ", identity, records).snapshot() == engine.snapshot()
    with pytest.raises(IdentityError, match=r"instruments\.NQ\.swings: then true, now false"):
        restore_engine(
            read_config("[instruments.NQ]\nswings = false\n", "test"), "ES-NQ", identity, records
        )


def test_a_state_of_another_version_is_refused_as_such_whatever_its_settings() -> None:
    records = futures().snapshot()
    records["hot"]["v"] = 2
    with pytest.raises(StateVersionError):
        restore_engine(CONFIG, "ES-NQ", None, records)


@pytest.mark.parametrize("data", [None, "0a1b", ["0a1b", "x", 1], 7])
def test_what_is_no_identity_is_none(data: object) -> None:
    assert stored_identity(data) is None


def test_sets_of_equal_indicators_are_equal_whatever_they_are_called() -> None:
    one = settings(f'{OWN_SET}[instruments.NQ]\nindicators = ["own"]\n', "ES-NQ")
    text = (
        '[indicators.a]\nlist = ["sma(n=3)"]\nintervals = ["1d"]\n'
        '[indicators.b]\nlist = ["sma(3)"]\nintervals = ["1d"]\n'
        '[instruments.NQ]\nindicators = ["a", "b"]\n'
    )
    assert settings(text, "ES-NQ") == one
    assert settings(text.replace("(3)", "(4)"), "ES-NQ") != one


def test_windows_that_differ_are_named_and_their_tracker_is_not() -> None:
    with_window = read_config(f"[windows.v]\n{WINDOW}", "test")
    engine = futures()
    with pytest.raises(IdentityError) as caught:
        check_plan(with_window, planned(with_window, "ES-NQ"), *kept(CONFIG, engine))
    message = str(caught.value)
    assert 'windows.ES.v: then nothing, now {"kind": "stddev"' in message
    assert "trackers" not in message


def test_what_lies_a_year_before_the_first_bar_is_in_reach_of_a_window_of_a_year() -> None:
    text = f'[instruments.ACME]\ntick = 0.01\ncalendar = "XNYS"\n[windows.v]\n{WINDOW}'
    config = read_config(text, "test")
    engine = GroupEngine(planned(config, "ACME"))
    engine.apply(minutes("ACME", "2025-11-03 09:30", 1)[0], 0)
    identity, _ = kept(config, engine)
    assert identity.first == day_of("2025-11-03") - 366 - 64
    without, _ = kept(ACME, equities("2025-11-03"))
    assert without.first == day_of("2025-11-03") - 200
