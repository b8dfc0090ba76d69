"""The part of the command line that reports what strategies earned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tapeline.replay.report.book import HostBook
from tapeline.replay.report.figures import NOT_MEANINGFUL
from tapeline.replay.report.files import json_of, write_report
from tapeline.replay.report.page import figure_text, name_of
from tapeline.replay.report.reading import read_book
from tapeline.replay.report.report import (
    AccountReport,
    StrategyReport,
    strategy_report,
)
from tapeline.schemas.config.loading import load_config
from tapeline.streams.cli.options import ConfigOption, JsonOption
from tapeline.streams.errors import InputError
from tapeline.streams.outputs.terminal import (
    number_table,
    plain_console,
    print_line,
    print_text,
)

FEW = " *"
SHOWN = (
    *("net", "gross", "costs", "trades", "win_rate", "profit_factor", "max_drawdown_share"),
    *("sharpe", "sortino", "ambiguous_fills", "net_worst", "net_best"),
)


def report_command(
    run: Annotated[Path, typer.Argument(help="Folder of a replay with --strategy.")],
    other: Annotated[
        Path | None, typer.Argument(help="The same as corrected, to be shown beside it.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the report; RUN-report where it is left out.")
    ] = None,
    parquet: Annotated[
        bool, typer.Option("--parquet", help="Write the tables as Parquet, too.")
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Write what the strategies of a run earned and why: HTML, JSON, CSV."""
    settings = load_config(config)
    books = [read_book(run)] if other is None else side_by_side(read_book(run), read_book(other))
    reports = [strategy_report(settings, each) for each in books]
    folder = run.with_name(f"{run.resolve().name}-report") if out is None else out
    bars = books[0].bars
    written = write_report(folder, reports, {} if bars is None else bars.symbols, parquet)
    if json:
        print_text(json_of(reports).decode())
        return
    _print(reports)
    print_line(f"Report: {written[0]}")


def side_by_side(one: HostBook, other: HostBook) -> list[HostBook]:
    """Two runs, the one as lived first.

    Raises
    ------
    InputError
        When they are not one of each.
    """
    if one.as_corrected == other.as_corrected:
        kind = "as corrected" if one.as_corrected else "as lived"
        raise InputError(
            f"{one.name} and {other.name}: both are {kind}; name one run as lived and one of"
            " `tapeline replay --as-corrected`"
        )
    return [other, one] if one.as_corrected else [one, other]


def _print(reports: Sequence[StrategyReport]) -> None:
    for line in dict.fromkeys(line for report in reports for line in report.headlines):
        print_line(line)
    shown = {
        _column(account, report, len(reports) > 1): account
        for report in reports
        for account in report.accounts
    }
    if not shown:
        return
    title = " and ".join(report.run for report in reports)
    table = number_table(title, "figure", *shown, "unit")
    for key in SHOWN:
        figures = [each.figures[key] for each in shown.values()]
        texts = [figure_text(each, FEW) for each in figures]
        table.add_row(key.replace("_", " "), *texts, figures[0].unit)
    plain_console().print(table)
    for inputs in dict.fromkeys(each.figures["sharpe"].inputs for each in shown.values()):
        if NOT_MEANINGFUL in inputs:
            print_line(f"{FEW.strip()} {inputs}")


def _column(account: AccountReport, report: StrategyReport, two: bool) -> str:
    return f"{account.account}, {name_of(report)}" if two else account.account


def add_to(app: typer.Typer) -> None:
    """Make the command part of the command line."""
    app.command("report")(report_command)
