"""The built-in range templates."""

from __future__ import annotations

from collections import Counter

from tapeline.schemas.templates import BUILT_IN_TEMPLATES, RangeKind


def kinds_of(template: str) -> tuple[RangeKind, ...]:
    return BUILT_IN_TEMPLATES[template].kinds


def test_a_cme_index_day_has_5_major_and_16_minor_ranges_beside_the_long_ones() -> None:
    assert Counter(kind.kind for kind in kinds_of("cme_index")) == {
        "Major": 5,
        "Minor": 16,
        "Weekly": 1,
        "Monthly": 1,
        "Yearly": 1,
    }


def test_only_the_ranges_that_start_with_the_session_hold_the_previous_close() -> None:
    with_close = [kind.label for kind in kinds_of("cme_index") if kind.previous_close]
    assert with_close == ["Asia", "m1800"]


def test_minor_ranges_last_23_minutes_close_their_true_open_and_expire_after_a_day() -> None:
    minors = {
        (kind.minutes, kind.true_open, kind.expires_minutes)
        for kind in kinds_of("cme_index")
        if kind.kind == "Minor"
    }
    assert minors == {(23, "close", 1440)}


def test_only_a_template_with_daily_windows_needs_minutes() -> None:
    needs = {name: template.needs_minutes for name, template in BUILT_IN_TEMPLATES.items()}
    assert needs == {"cme_index": True, "cme_long": False, "prior_session": False}


def test_the_prior_session_is_touched_once_a_level_and_asks_for_one_bar() -> None:
    (prior,) = kinds_of("prior_session")
    assert (prior.kind, prior.period, prior.machine, prior.coverage) == (
        "Prior",
        "session",
        "first_touch",
        0,
    )
