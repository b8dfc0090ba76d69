"""A store goes on with a configuration that adds windows or intervals, or takes windows away."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.streams.store.layout import StoreError
from tapeline.streams.store.live import LiveStore
from tapeline.streams.store.reading import StoreReader
from tests.unit.streams.store.killing import Kill, run_until_killed
from tests.unit.streams.store.stores import (
    CONFIGURATION,
    contents,
    folded,
    full_view,
    label,
    load,
    log_lines,
    row,
    view,
    walk,
    write,
)

WINDOWS = """
[windows.volume_2d]
kind = "trailing_average"
field = "volume"
period = "2d"

[windows.low_by_slot]
kind = "trailing_min"
field = "low"
granularity = "minute"
period = "1w"
symbols = ["A"]
"""
WITH_WINDOWS = CONFIGURATION + WINDOWS
OTHER_WINDOWS = WITH_WINDOWS.replace("2d", "3d").replace("low_by_slot", "low")
INDICATORS = """
[indicators.own]
list = ["ema(3)", "sma(2, of=rsi_3)", "macd(2, 3, 2)", "rvol(2)", "vwap"]
intervals = ["1m", "7m"]

[indicators.days]
list = ["sma(2)"]
intervals = ["1d"]
publish = "latest"
"""
WITH_INDICATORS = (
    CONFIGURATION.replace(
        'ranges = ["prior_session"]\n',
        'ranges = ["prior_session"]\nindicators = ["own", "days"]\n',
        1,
    )
    + INDICATORS
)
OTHER_INDICATORS = WITH_INDICATORS.replace("ema(3)", "ema(4)").replace('publish = "latest"', "")
MORE_INTERVALS = CONFIGURATION + (
    '[derived]\nintervals = ["3m", "5m", "15m", "30m", "60m", "240m", "1d", "1w"]\n'
)


def books(folder: Path, days: int = 4) -> list[tuple[str, Path]]:
    """Some days of both symbols."""
    return [
        ("A", write(folder / "a.csv", *(walk(day, step=3) for day in range(days)))),
        ("B", write(folder / "b.csv", *(walk(day, step=3, seed=3) for day in range(days)))),
    ]


def lines(folder: Path) -> dict[str, int]:
    """Lines by topic."""
    return {
        path.name.removeprefix("tape.").removesuffix(".jsonl"): len(path.read_bytes().splitlines())
        for path in (folder / "topics").iterdir()
        if path.read_bytes()
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (CONFIGURATION, WITH_WINDOWS),
        (WITH_WINDOWS, CONFIGURATION),
        (WITH_WINDOWS, OTHER_WINDOWS),
        (CONFIGURATION, MORE_INTERVALS),
        (WITH_WINDOWS, MORE_INTERVALS),
        (CONFIGURATION, WITH_INDICATORS),
        (WITH_INDICATORS, CONFIGURATION),
        (WITH_INDICATORS, OTHER_INDICATORS + WINDOWS),
    ],
    ids=[
        "added",
        "taken away",
        "changed",
        "intervals",
        "intervals for windows",
        "indicators",
        "no indicators",
        "other indicators and windows",
    ],
)
def test_the_view_is_that_of_a_store_that_began_with_the_configuration(
    tmp_path: Path, before: str, after: str
) -> None:
    files = books(tmp_path)
    load(tmp_path / "S", *files, toml=before)
    result = load(tmp_path / "S", *files, toml=after)
    assert result.counts.for_settings == result.counts.rebuilt == ["pair"]
    assert result.counts.rows["new"] == result.counts.rows["changed"] == 0
    load(tmp_path / "fresh", *files, toml=after)
    assert view(tmp_path / "S") == folded(tmp_path / "S") == view(tmp_path / "fresh")


def test_only_the_difference_is_published_under_a_clock_without_effect(tmp_path: Path) -> None:
    files = books(tmp_path)
    load(tmp_path / "S", *files)
    before, records = contents(tmp_path / "S"), len(log_lines(tmp_path / "S"))
    counts = lines(tmp_path / "S")
    load(tmp_path / "S", *files, toml=WITH_WINDOWS)
    after = contents(tmp_path / "S")
    assert {name for name in after if after[name] != before.get(name, b"")} == {
        "log.jsonl",
        "tape.windows.v1.jsonl",
    }
    # Three sessions have closed: for the one after each, two windows of A and one of B.
    assert lines(tmp_path / "S") == counts | {"windows.v1": 9}
    [clock] = log_lines(tmp_path / "S")[records:]
    assert clock["type"] == "clock"
    events = [json.loads(line) for line in after["tape.windows.v1.jsonl"].splitlines()]
    assert [event["seq"] for event in events] == [records * 10**6 + at for at in range(9)]
    assert {(event["rev"], event["corrects"]) for event in events} == {(0, None)}


def test_the_same_configuration_is_no_difference(tmp_path: Path) -> None:
    files = books(tmp_path)
    load(tmp_path / "S", *files, toml=WITH_WINDOWS)
    before = contents(tmp_path / "S")
    result = load(tmp_path / "S", *files, toml=WITH_WINDOWS)
    assert result.counts.for_settings == []
    assert contents(tmp_path / "S") == before


def test_what_is_taken_away_and_comes_again_counts_on_its_revision(tmp_path: Path) -> None:
    files = books(tmp_path)
    for number, toml in enumerate((WITH_WINDOWS, CONFIGURATION, WITH_WINDOWS)):
        os.utime(files[0][1], ns=(0, number))
        load(tmp_path / "S", *files, toml=toml)
    events = [
        json.loads(line) for line in contents(tmp_path / "S")["tape.windows.v1.jsonl"].splitlines()
    ]
    # Of a session inside the horizon: of older ones revisions are forgotten.
    latest = events[0]["id"].replace("2025-07-03", "2025-07-08")
    of_one = [(each["op"], each["rev"]) for each in events if each["id"] == latest]
    assert of_one == [("upsert", 0), ("retract", 1), ("upsert", 2)]


def test_days_and_corrections_after_it_lead_to_the_view_of_a_fresh_store(tmp_path: Path) -> None:
    load(tmp_path / "S", *books(tmp_path))
    wrong = walk(3, step=3) | {label(3, 60): row(label(3, 60), 1)}
    later = [("A", write(tmp_path / "later.csv", wrong, walk(4, step=3), walk(5, step=3)))]
    load(tmp_path / "S", *later, toml=WITH_WINDOWS)
    final = write(tmp_path / "final.csv", walk(3, step=3))
    result = load(tmp_path / "S", ("A", final), toml=WITH_WINDOWS)
    assert result.counts.facts["window"]["recalculated"] > 0
    whole = [
        ("A", write(tmp_path / "whole.csv", *(walk(day, step=3) for day in range(6)))),
        ("B", tmp_path / "b.csv"),
    ]
    load(tmp_path / "fresh", *whole, toml=WITH_WINDOWS)
    assert view(tmp_path / "S") == folded(tmp_path / "S") == view(tmp_path / "fresh")


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        (CONFIGURATION + '[derived]\nintervals = ["5m", "1d", "1w"]\n', "derived.intervals"),
        (WITH_WINDOWS.replace("horizon_sessions = 2", "horizon_sessions = 3"), "horizon_sessions"),
        (WITH_WINDOWS + '[derived]\nincomplete = "skip"\n', "derived.incomplete"),
    ],
)
def test_any_other_difference_is_refused_and_named(tmp_path: Path, toml: str, named: str) -> None:
    files = books(tmp_path, 2)
    load(tmp_path / "S", *files)
    before = contents(tmp_path / "S")
    with pytest.raises(StoreError, match=named):
        load(tmp_path / "S", *files, toml=toml)
    assert contents(tmp_path / "S") == before


def test_a_refusal_names_what_is_refused_and_not_what_would_be_taken_over(tmp_path: Path) -> None:
    files = books(tmp_path, 2)
    load(tmp_path / "S", *files)
    other = WITH_WINDOWS.replace("horizon_sessions = 2", "horizon_sessions = 3")
    alone = (
        "a run of the store takes other indicators and windows, and more derived intervals, over"
    )
    with pytest.raises(StoreError) as run:
        load(tmp_path / "S", *files, toml=other)
    with (
        StoreReader(tmp_path / "S") as reader,
        pytest.raises(StoreError) as read,
    ):
        reader.check_settings(read_config(other, "test"))
    for caught in (run, read):
        message = str(caught.value)
        assert "made with other settings: instruments.A.horizon_sessions: then 2, now 3" in message
        assert "windows.A" not in message
        assert message.endswith(f" ({alone} where nothing else differs)")
    plain = CONFIGURATION.replace("horizon_sessions = 2", "horizon_sessions = 3")
    with pytest.raises(StoreError) as unmixed:
        load(tmp_path / "S", *files, toml=plain)
    assert alone not in str(unmixed.value)


def test_a_reader_names_the_difference_and_the_way_out(tmp_path: Path) -> None:
    load(tmp_path / "S", *books(tmp_path, 2))
    with StoreReader(tmp_path / "S") as reader:
        reader.check_settings(read_config(CONFIGURATION, "test"))
        with pytest.raises(StoreError) as caught:
            reader.check_settings(read_config(WITH_WINDOWS, "test"))
    message = str(caught.value)
    assert "windows.A.volume_2d: then nothing, now {" in message
    assert "a run of the store takes other indicators and windows" in message
    assert "trackers" not in message


def test_a_live_feed_takes_it_over_before_its_first_batch(tmp_path: Path) -> None:
    files = books(tmp_path)
    load(tmp_path / "S", *files)
    with LiveStore(read_config(WITH_WINDOWS, "test"), tmp_path / "S") as store:
        assert store.stale_groups() == ()
    load(tmp_path / "fresh", *files, toml=WITH_WINDOWS)
    assert view(tmp_path / "S") == folded(tmp_path / "S") == view(tmp_path / "fresh")


KILLS = [
    Kill(point, nth)
    for point in ("before_log", "after_log", "after_outputs", "after_state")
    for nth in (1, 2, 3)
] + [Kill(point, 2, torn=seed) for point in ("after_log", "after_outputs") for seed in (1, 2)]


def _name(kill: Kill) -> str:
    return f"{kill.point}-{kill.nth}" + ("" if kill.torn is None else f"-torn{kill.torn}")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, Path]], Path]:
    """A store of before, files with new days, and what a run with windows makes of both."""
    workdir = tmp_path_factory.mktemp("additions")
    load(workdir / "before", *books(workdir))
    new = [("A", write(workdir / "new.csv", walk(4, step=3), walk(5, step=3)))]
    shutil.copytree(workdir / "before", workdir / "after")
    load(workdir / "after", *new, toml=WITH_WINDOWS, step_rows=100)
    return workdir / "before", new, workdir / "after"


@pytest.mark.parametrize("kill", KILLS, ids=_name)
@pytest.mark.parametrize("same", [True, False], ids=["the same run", "another run"])
def test_a_run_that_is_killed_on_the_way_leaves_the_same_bytes(
    scene: tuple[Path, list[tuple[str, Path]], Path], tmp_path: Path, kill: Kill, same: bool
) -> None:
    before, files, after = scene
    options: dict[str, Any] = {"toml": WITH_WINDOWS, "step_rows": 100}
    shutil.copytree(before, tmp_path / "S")
    assert run_until_killed(tmp_path / "S", files, options, kill)
    if not same:
        files = [(symbol, Path(shutil.copy(path, tmp_path))) for symbol, path in files]
    load(tmp_path / "S", *files, **options)
    assert contents(tmp_path / "S") == contents(after)
    assert full_view(tmp_path / "S") == full_view(after)


@pytest.mark.parametrize("point", ["after_log", "after_outputs"])
@pytest.mark.parametrize("toml", [CONFIGURATION, WITH_INDICATORS], ids=["plain", "indicators"])
def test_what_an_earlier_configuration_left_in_the_log_is_taken_with_it_first(
    tmp_path: Path, point: str, toml: str
) -> None:
    load(tmp_path / "S", *books(tmp_path, 2), toml=toml)
    new = [("A", write(tmp_path / "new.csv", walk(2, step=3), walk(3, step=3)))]
    shutil.copytree(tmp_path / "S", tmp_path / "whole")
    load(tmp_path / "whole", *new, toml=toml, step_rows=100)
    load(tmp_path / "whole", *new, toml=WITH_WINDOWS, step_rows=100)
    assert run_until_killed(tmp_path / "S", new, {"toml": toml, "step_rows": 100}, Kill(point, 2))
    load(tmp_path / "S", *new, toml=WITH_WINDOWS, step_rows=100)
    assert view(tmp_path / "S") == folded(tmp_path / "S") == view(tmp_path / "whole")


def test_a_killed_run_may_be_followed_by_one_with_the_configuration_of_before(
    scene: tuple[Path, list[tuple[str, Path]], Path], tmp_path: Path
) -> None:
    before, files, _ = scene
    shutil.copytree(before, tmp_path / "S")
    options: dict[str, Any] = {"toml": WITH_WINDOWS, "step_rows": 100}
    assert run_until_killed(tmp_path / "S", files, options, Kill("after_log", 2))
    load(tmp_path / "S", *files)
    shutil.copytree(before, tmp_path / "plain")
    load(tmp_path / "plain", *files)
    assert view(tmp_path / "S") == folded(tmp_path / "S") == view(tmp_path / "plain")
