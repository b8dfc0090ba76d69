"""From a configuration file to the plan of a group."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeline.schemas.config.loading import load_config, read_config
from tapeline.streams.calendars import CALENDAR_IDS
from tapeline.streams.core.plan import GroupPlan, InstrumentPlan
from tapeline.streams.pipeline.planning import LINK_ORDER, plan_group
from tests.unit.streams.core.scenario import DAY_MS, HOUR_MS, MINUTE_MS, template


def planned(toml: str, symbol: str) -> InstrumentPlan:
    """Plan of a symbol that is its own group."""
    [plan] = plan_group(read_config(toml, "planning"), symbol).instruments
    return plan


def test_the_built_in_group_pairs_two_index_futures() -> None:
    plan = plan_group(read_config("", "planning"), "ES-NQ")
    assert (plan.group, [each.symbol for each in plan.instruments]) == ("ES-NQ", ["ES", "NQ"])
    first = plan.instruments[0]
    assert (first.base, first.base_ms, first.scale.tick) == ("1m", MINUTE_MS, "0.25")
    assert first.calendar.calendar_id == "CME_EQUITY"
    assert [kind.kind.kind for kind in first.kinds] == [
        *["Major"] * 5,
        *["Minor"] * 16,
        *["Weekly", "Monthly", "Yearly"],
    ]
    assert (first.horizon_sessions, first.max_ahead_ms) == (10, 35 * DAY_MS)
    assert (first.swings, first.quality, first.publish_incomplete) == (True, True, True)


def test_any_other_symbol_is_its_own_group_without_ranges() -> None:
    plan = planned("", "ANYTHING")
    assert (plan.calendar.calendar_id, plan.scale.tick, plan.kinds) == ("24/7", "0.0001", [])


def test_a_file_decides_every_setting(tmp_path: Path) -> None:
    file = tmp_path / "tapeline.toml"
    file.write_text(
        '[instruments.X]\ntick = 0.05\ncalendar = "XNYS"\nbase = "5m"\nranges = []\n'
        "swings = false\nstructural_class = 4\nquality = false\nhorizon_sessions = 3\n"
        'max_ahead = "12h"\n[derived]\nintervals = ["1d", "1h", "15m"]\nincomplete = "skip"\n'
    )
    [plan] = plan_group(load_config(file), "X").instruments
    assert (plan.scale.tick, plan.calendar.calendar_id, plan.base) == ("0.05", "XNYS", "5m")
    assert [interval.name for interval in plan.intervals] == ["15m", "60m", "1d"]
    assert (plan.swings, plan.structural_class, plan.quality) == (False, 4, False)
    assert (plan.horizon_sessions, plan.max_ahead_ms) == (3, 12 * HOUR_MS)
    assert plan.publish_incomplete is False


STRUCTURAL = {"1s": 3, "1m": 3, "30m": 3, "60m": 2, "240m": 2}


@pytest.mark.parametrize(("base", "structural"), STRUCTURAL.items())
def test_the_structural_class_follows_the_base(base: str, structural: int) -> None:
    assert planned(f'[instruments.X]\nbase = "{base}"\n', "X").structural_class == structural


@pytest.mark.parametrize("calendar", CALENDAR_IDS)
def test_every_calendar_can_be_planned(calendar: str) -> None:
    plan = planned(f'[instruments.X]\ncalendar = "{calendar}"\n', "X")
    assert plan.calendar.calendar_id == calendar


def test_kinds_keep_the_order_of_the_templates_and_rank_own_ones_after_minor() -> None:
    own = template(
        "own",
        "UTC",
        {"kind": "Zulu", "label": "z", "start": "00:00", "minutes": 5},
        {"kind": "Minor", "label": "own", "start": "00:00", "minutes": 5},
        {"kind": "Alpha", "label": "a", "start": "00:00", "minutes": 5},
        {"kind": "Zulu", "label": "y", "start": "00:00", "minutes": 5},
    )
    toml = '[instruments.X]\nranges = ["own", "cme_long"]\n' + own
    kinds = planned(toml, "X").kinds
    assert [kind.index for kind in kinds] == list(range(7))
    ranks = {f"{kind.kind.kind} {kind.kind.label}".strip(): kind.rank for kind in kinds}
    order = ["Yearly", "Monthly", "Weekly", "Minor own", "Zulu z", "Alpha a"]
    assert sorted(order, key=ranks.__getitem__) == order
    assert ranks["Zulu z"] == ranks["Zulu y"]
    assert LINK_ORDER == ("Yearly", "Monthly", "Weekly", "Major", "Minor")


def test_a_group_of_a_symbol_that_is_refused_cannot_be_planned() -> None:
    config = read_config("[instruments]\ndefault = false\n", "planning")
    with pytest.raises(LookupError, match="OTHER"):
        plan_group(config, "OTHER")


def test_a_group_has_one_or_two_symbols() -> None:
    plans = [planned("", symbol) for symbol in ("A", "B", "C")]
    with pytest.raises(ValueError, match="3 symbols"):
        GroupPlan("ABC", plans)
    with pytest.raises(ValueError, match="0 symbols"):
        GroupPlan("NONE", [])


def test_indicators_are_planned_by_interval_and_what_they_add_is_computed() -> None:
    plan = planned(
        '[indicators.a]\nlist = ["sma(3)"]\nintervals = ["1d", "3m"]\npublish = "latest"\n'
        '[indicators.b]\nlist = ["ema(2)"]\nintervals = ["1m"]\non_incomplete = "skip"\n'
        '[instruments.X]\nindicators = ["a", "b"]\n',
        "X",
    )
    assert [interval.name for interval in plan.computed] == ["3m"]
    assert "3m" not in [interval.name for interval in plan.intervals]
    found = [
        (each.interval.name, [made.stem for made in each.specifications], each.latest,
         each.complete_only)
        for each in plan.indicators
    ]  # fmt: skip
    assert found == [
        ("1m", ["ema_2"], False, True),
        ("3m", ["sma_3"], True, False),
        ("1d", ["sma_3"], True, False),
    ]
    assert planned("", "X").indicators == []
