"""Lengths and ends of time have one definition, and instants are written in one module."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from pathlib import Path

import pytest

from tapeline.schemas import instants
from tests.house.instants import HOME, instant_faults
from tests.house.source_tree import PACKAGES, ROOT, module_name, modules

pytestmark = pytest.mark.source_tree

MODULES = [pytest.param(path, id=str(path.relative_to(ROOT))) for path in modules(*PACKAGES)]
NAMES = [name for name in vars(instants) if name.isupper()]
BOUND_AGAIN = {
    "streams.core.bars.windows": {"NO_END": "FAR_FUTURE_MS"},
    "streams.core.history.ring": {"FOREVER_MS": "FAR_FUTURE_MS", "NOWHERE_MS": "FAR_PAST_MS"},
    "streams.core.ranges.live_range": {"NO_BAR": "FAR_PAST_MS"},
    "streams.core.ranges.schedule": {"NEVER_MS": "FAR_FUTURE_MS"},
    "streams.core.tracker": {"NEVER_MS": "FAR_FUTURE_MS"},
    "streams.core.swings.tracker": {"NOWHERE": "FAR_PAST_MS"},
}


@pytest.mark.parametrize("path", MODULES)
def test_a_module_takes_lengths_ends_and_texts_from_the_module_of_instants(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    assert instant_faults(path.read_text("utf-8"), name) == []


@pytest.mark.parametrize("path", MODULES)
def test_a_name_of_an_instant_has_one_value(path: Path) -> None:
    if "schemas.instants" in path.read_text("utf-8"):
        module = import_module(f"tapeline.{module_name(path)}")
        found = {name: getattr(module, name) for name in NAMES if hasattr(module, name)}
        assert found == {name: getattr(instants, name) for name in found}


@pytest.mark.parametrize("module", sorted(BOUND_AGAIN))
def test_a_sentinel_of_the_core_is_an_end_of_time(module: str) -> None:
    own = import_module(f"tapeline.{module}")
    for name, end in BOUND_AGAIN[module].items():
        assert getattr(own, name) == getattr(instants, end)


def test_the_lengths_and_ends_are_those_of_the_calendar() -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    millisecond = timedelta(milliseconds=1)
    assert timedelta(weeks=1) // millisecond == instants.WEEK_MS == 7 * instants.DAY_MS
    assert instants.DAY_MS == 24 * instants.HOUR_MS == 1_440 * instants.MINUTE_MS
    assert date(1970, 1, 1).toordinal() == instants.EPOCH_ORDINAL
    assert (datetime.min.replace(tzinfo=UTC) - epoch) // millisecond == instants.FIRST_MS
    assert (datetime.max.replace(tzinfo=UTC) - epoch) // millisecond == instants.LAST_MS
    assert instants.day_of("0001-01-01") == instants.FIRST_DAY
    assert instants.day_of("9999-12-31") == instants.LAST_DAY


@pytest.mark.parametrize(
    ("instant_ms", "minute"),
    [
        (0, "1970-01-01T00:00Z"),
        (1_000, "1970-01-01T00:00:01Z"),
        (60_250, "1970-01-01T00:01:00.250Z"),
        (instants.LAST_MS + 1, "253402300800000 ms since 1970"),
    ],
)
def test_an_edge_of_a_session_is_written_to_the_minute(instant_ms: int, minute: str) -> None:
    assert instants.iso_minute(instant_ms) == minute


@pytest.mark.parametrize(
    "source",
    [
        "MINUTE_MS = 60_000",
        "at = start + 5 * 86400000",
        "seq = offset * 1_000_000",
        "offset = seq // 1_000_000",
        "BEFORE_ALL = -(1 << 62)",
        "text = when.strftime('%H:%M')",
        "text = when.isoformat()",
    ],
)
def test_a_second_definition_is_noticed(source: str) -> None:
    assert len(instant_faults(source, "streams/core/engine.py")) == 1


@pytest.mark.parametrize("source", ["BYTES = 1_000_000", "FIRST = 1 << 61", "at = 6 * MINUTE_MS"])
def test_other_numbers_pass(source: str) -> None:
    assert instant_faults(source, "streams/core/engine.py") == []


def test_the_home_may_define_what_it_is() -> None:
    assert instant_faults("MINUTE_MS: Final = 60_000", HOME) == []
