"""Files of a report are what other tools read."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from tapeline.replay.report.files import tables_of, write_report
from tapeline.replay.report.report import StrategyReport, strategy_report
from tests.unit.replay.report.books import book, configuration, strategy
from tests.unit.replay.report.test_report import a_run


@pytest.fixture(scope="module")
def report() -> StrategyReport:
    return strategy_report(configuration(), a_run())


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_all_files_are_written_the_page_first(report: StrategyReport, tmp_path: Path) -> None:
    written = write_report(tmp_path / "deep" / "report", [report], {})
    assert [each.name for each in written] == [
        *("report.html", "report.json"),
        *("returns.csv", "orders.csv", "trades.csv", "equity.csv"),
    ]
    assert all(each.stat().st_size for each in written)


def test_returns_are_dates_and_shares(report: StrategyReport, tmp_path: Path) -> None:
    write_report(tmp_path, [report], {})
    [row] = rows(tmp_path / "returns.csv")
    assert row["date"] == "2025-07-02"
    assert float(row["return"]) == 0.98 / 1000


def test_returns_of_several_accounts_have_a_column_each(report: StrategyReport) -> None:
    [only] = report.accounts
    other = replace(only, account="other", sessions=())
    found = tables_of(replace(report, accounts=(only, other)))["returns"]
    assert found == [{"date": "2025-07-02", "default": 0.98 / 1000, "other": None}]


def test_orders_have_a_signed_size_a_price_and_fees(report: StrategyReport, tmp_path: Path) -> None:
    write_report(tmp_path, [report], {})
    found = rows(tmp_path / "orders.csv")
    assert [(row["time"], row["size"], row["price"], row["fees"]) for row in found] == [
        ("2025-07-02T13:31:00Z", "1", "10.01", "0.01"),
        ("2025-07-02T13:33:00Z", "-1", "11.01", "0.01"),
    ]


def test_json_holds_every_figure_with_what_it_is_made_of(
    report: StrategyReport, tmp_path: Path
) -> None:
    write_report(tmp_path, [report], {})
    [run] = json.loads((tmp_path / "report.json").read_bytes())["runs"]
    figures = run["accounts"][0]["figures"]
    assert figures["net"] == {
        "value": 0.98,
        "unit": "USD",
        "inputs": "end - start; open positions as last marked",
    }
    assert all(each["inputs"] for each in figures.values())


def test_a_run_without_trades_has_tables_with_heads(tmp_path: Path) -> None:
    empty = strategy_report(configuration(), book(strategy()))
    write_report(tmp_path, [empty], {}, parquet=True)
    assert (tmp_path / "orders.csv").read_text().startswith("time,bar_ms,symbol,size,price,fees,")
    assert rows(tmp_path / "trades.csv") == []


def test_parquet_holds_the_same_rows(report: StrategyReport, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_report(tmp_path, [report], {}, parquet=True)
    for name, expected in tables_of(report).items():
        assert parquet.read_table(tmp_path / f"{name}.parquet").to_pylist() == expected


def test_an_earlier_report_is_replaced_and_other_files_stay(
    report: StrategyReport, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "report.json").write_text("old")
    write_report(tmp_path, [report], {})
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "report.json").read_text() != "old"
