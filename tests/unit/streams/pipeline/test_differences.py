"""What two identities do not agree in: what is refused everywhere, and what a store takes over."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.streams.pipeline.differences import SettingDifferences, differences, refusal
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.provenance import (
    IdentityError,
    check_identity,
    identity_over,
    identity_parts,
)

PLAIN = '[instruments.ACME]\ntick = 0.01\ncalendar = "XNYS"\n'
WINDOWS = "".join(
    f'[windows.high_{days}d]\nkind = "trailing_max"\nfield = "high"\nperiod = "{days}d"\n'
    for days in range(1, 5)
)
SET = '[indicators.own]\nlist = ["sma(3)"]\nintervals = ["5m"]\n'
WITH_SET = PLAIN + 'indicators = ["own"]\n' + SET


def parts(text: str) -> dict[str, Any]:
    """Parts of the identity of ACME, before its first bar."""
    config = read_config(text, "test")
    plan = plan_group(config, "ACME")
    return identity_parts(config, plan, identity_over(config, plan, None, None), None)


def keys(found: list[str]) -> list[str]:
    return [text.partition(":")[0] for text in found]


@pytest.mark.parametrize(
    ("then", "now", "added"),
    [
        (PLAIN, WITH_SET, "indicators.ACME.5m"),
        (WITH_SET, PLAIN, "indicators.ACME.5m"),
        (WITH_SET, WITH_SET.replace("(3)", "(4)"), "indicators.ACME.5m.keys"),
        (PLAIN, PLAIN + WINDOWS, "windows.ACME.high_1d"),
        (
            PLAIN + '[derived]\nintervals = ["5m", "1d"]\n',
            PLAIN + '[derived]\nintervals = ["5m", "15m", "1d"]\n',
            "derived.intervals",
        ),
    ],
    ids=["a set", "no set", "another set", "windows", "more intervals"],
)
def test_a_store_takes_over_indicators_windows_and_more_intervals(
    then: str, now: str, added: str
) -> None:
    found = differences(parts(then), parts(now))
    assert found.others == []
    assert keys(found.added)[0].startswith(added)


@pytest.mark.parametrize(
    ("now", "other"),
    [
        (PLAIN.replace("0.01", "0.02"), "instruments.ACME.tick"),
        (PLAIN + '[derived]\nintervals = ["5m", "1d"]\n', "derived.intervals"),
        (PLAIN + '[derived]\nincomplete = "skip"\n', "derived.incomplete"),
    ],
)
def test_all_else_is_refused(now: str, other: str) -> None:
    found = differences(parts(PLAIN), parts(now))
    assert (found.added, keys(found.others)) == ([], [other])


def test_what_is_refused_comes_first_however_much_is_added() -> None:
    config = read_config(PLAIN, "test")
    identity = identity_over(config, plan_group(config, "ACME"), None, None)
    other = read_config(PLAIN.replace("0.01", "0.02") + WINDOWS, "test")
    with pytest.raises(IdentityError) as caught:
        check_identity(other, "ACME", identity, parts(PLAIN))
    message = str(caught.value)
    assert message.startswith(
        "the state of group ACME was made with other settings:"
        " instruments.ACME.tick: then 0.01, now 0.02; windows.ACME.high_1d: then nothing, now "
    )
    assert message.endswith("; and 2 more")


def test_equal_parts_have_no_difference() -> None:
    assert differences(parts(WITH_SET), parts(WITH_SET)) == SettingDifferences([], [])


def test_a_refusal_shows_three_differences() -> None:
    shown = refusal("G", ["a", "b", "c"])
    assert shown == "the state of group G was made with other settings: a; b; c"
    assert refusal("G", ["a", "b", "c", "d"]) == f"{shown}; and 1 more"
