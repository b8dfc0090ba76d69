"""Parts that all manifests have."""

from __future__ import annotations

from msgspec.structs import replace

import tapeline
from tapeline.schemas.config.model import built_in_config, config_hash
from tapeline.streams.calendars import calendar_checksum, time_zone_version
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.outcome import OUTCOMES
from tapeline.streams.pipeline.manifest import (
    OF_GROUPS,
    WORK,
    WrittenTopics,
    counters,
    input_file,
    joined,
    made_with,
)
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.summary import RunSummary
from tests.unit.streams.core.scenario import at, minutes

CONFIG = built_in_config()
NOTHING = dict.fromkeys(OUTCOMES, 0)


def engine_of(group: str, symbol: str) -> GroupEngine:
    engine = GroupEngine(plan_group(CONFIG, group))
    for number, record in enumerate(minutes(symbol, at("2025-12-08 10:00"), 30, 6800.0)):
        engine.apply(record, number)
    return engine


def test_a_run_names_the_configuration_as_given_and_the_versions_it_was_made_with() -> None:
    found = made_with(CONFIG, CONFIG.without_max_ahead(), ["BTC", "ES", "NQ"], {})
    assert found == {
        "config_hash": config_hash(CONFIG),
        "identity": {},
        "schedule": {"calendars": {}, "zones": {}},
        "calendars": {name: calendar_checksum(name) for name in ("24/7", "CME_EQUITY")},
        "time_zone_version": time_zone_version(),
        "code_version": tapeline.__version__,
        "ends": {},
    }
    assert config_hash(CONFIG) != config_hash(CONFIG.without_max_ahead())


def test_a_symbol_that_is_not_configured_has_no_calendar_of_its_own() -> None:
    config = replace(CONFIG, default=None)
    assert made_with(config, config, ["STRANGER"], {})["calendars"] == {}


def test_the_counters_of_a_run_are_the_sums_of_those_of_its_symbols() -> None:
    symbols = {
        "ES": {**NOTHING, "accepted": 3, "late": 1, "rebuilds": 1, "bars_again": 7},
        "NQ": {**NOTHING, "accepted": 2, "duplicates": 4, "rebuilds": 0, "bars_again": 0},
    }
    found = counters(symbols, RunSummary(), rows=11, until_clocks=2, superseded=1)
    assert {name: count for name, count in found.items() if count} == {
        "rows": 11,
        "until_clocks": 2,
        "superseded": 1,
        "accepted": 5,
        "late": 1,
        "duplicates": 4,
        "rebuilds": 1,
        "bars_again": 7,
        "symbols": symbols,
    }
    assert list(found)[3 : 3 + len(OUTCOMES) + len(WORK)] == [*OUTCOMES, *WORK]


def test_what_a_replay_counts_of_corrections_is_where_an_engine_counts_it() -> None:
    symbols = {"ES": {**NOTHING, "accepted": 3}}
    work = {"rebuilds": 2, "bars_again": 9}
    found = counters(symbols, RunSummary(), rows=3, work=work)
    assert {name: found[name] for name in WORK} == work
    assert found["symbols"] == symbols


def test_shares_of_the_groups_make_the_manifest_that_one_process_would_have_written() -> None:
    engines = {"ES-NQ": engine_of("ES-NQ", "ES"), "BTC": engine_of("BTC", "BTC")}
    whole = made_with(CONFIG, CONFIG, ["ES", "BTC"], engines)
    shares = [
        made_with(CONFIG, CONFIG, [symbol], {group: engines[group]})
        for symbol, group in (("BTC", "BTC"), ("ES", "ES-NQ"))
    ]
    assert all(share[part] != whole[part] for share in shares for part in OF_GROUPS[:2])
    assert joined(CONFIG, shares) == whole
    assert list(joined(CONFIG, shares)["identity"]) == ["BTC", "ES-NQ"]


def test_a_file_and_what_came_out_are_plain_data() -> None:
    assert input_file("es.csv", None, "ab") == {"path": "es.csv", "symbol": None, "sha256": "ab"}
    written = WrittenTopics({"tape.touches.v1": 2}, {"tape.touches.v1": "cd"})
    assert written.parts() == {
        "topics": {"tape.touches.v1": 2},
        "output_sha256": {"tape.touches.v1": "cd"},
    }
