"""The report of a drill: what fails it, as a table and as plain data."""

from __future__ import annotations

import io

import pytest

from tapeline.streams.cli.drill import print_report
from tapeline.streams.drill.comparison import DrillDifferences
from tapeline.streams.drill.crew import End
from tapeline.streams.drill.report import DrillReport, checks_of, report_data
from tapeline.streams.outputs.terminal import PlainConsole


def report(differences: DrillDifferences, slept: bool = False) -> DrillReport:
    return DrillReport(
        prefix="tape.drill.x",
        folder=None,
        seconds=61.5,
        workers=2,
        partitions=4,
        seed=7,
        faults={"kill": 3},
        replaced=0,
        ends=(End(1, 74, "no disk"),),
        records=12_000,
        messages=15_000,
        identical=40,
        checks=checks_of(differences, {}, slept),
    )


def printed(found: DrillReport) -> str:
    text = io.StringIO()
    print_report(PlainConsole(file=text, width=120, markup=False, emoji=False), found)
    return text.getvalue()


def test_a_drill_without_differences_holds_and_reports_it() -> None:
    found = report(DrillDifferences(identical=40))
    assert found.holds
    assert report_data(found)["holds"] is True
    text = printed(found)
    assert "everything holds" in text
    assert "FAILED" not in text
    assert "12,000 records, 15,000 facts and dead letters, 40 repeated to the byte" in text
    assert "worker 1 ended with 74 by itself: no disk" in text


@pytest.mark.parametrize(
    ("differences", "name"),
    [
        (DrillDifferences(missing={"touch|ES|[a]"}), "missing ids"),
        (DrillDifferences(extra={"touch|ES|[a]"}), "extra ids"),
        (DrillDifferences(different={"touch|ES|[a]"}), "different ids"),
        (DrillDifferences(differing={"touch|ES|[a]"}), "repetitions that differ"),
        (DrillDifferences(table={"touch|ES|[a]"}), "table view"),
        (DrillDifferences(holes={"touch|ES|[a]"}), "holes"),
        (DrillDifferences(state={"touch|ES|[a]"}), "stored state"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_one_id_of_any_kind_fails_it_and_is_named(differences: DrillDifferences, name: str) -> None:
    found = report(differences)
    assert not found.holds
    data = report_data(found)
    assert data["holds"] is False
    assert [each["name"] for each in data["checks"] if not each["holds"]] == [name]
    text = printed(found)
    assert f"{name}: touch|ES|[a]" in text
    assert text.count("FAILED") == 1
    assert "something does not hold" in text


def test_a_table_that_a_sleeper_left_is_shown_and_tolerated() -> None:
    found = report(DrillDifferences(table={"touch|ES|a"}), slept=True)
    assert found.holds
    assert "tolerated: a worker slept" in printed(found)


def test_all_examples_of_a_long_list_are_counted_and_five_are_shown() -> None:
    found = report(DrillDifferences(missing={f"gap|ES|1m|{number}" for number in range(30)}))
    (check,) = [each for each in found.checks if not each.holds]
    assert (check.found, len(check.examples)) == (30, 5)
