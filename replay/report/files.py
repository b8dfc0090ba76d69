"""Files of a report: the page, JSON, and tables that other tools read."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson
from msgspec import Struct
from msgspec.structs import astuple

from tapeline.replay.report.page import Bars, page_of
from tapeline.replay.report.report import StrategyReport
from tapeline.replay.report.tables import EquityRow, OrderRow, TradeRow
from tapeline.streams.errors import InputError, naming

PAGE: Final = "report.html"
DATA: Final = "report.json"
Rows = list[dict[str, Any]]


def write_report(
    folder: Path, reports: Sequence[StrategyReport], bars: Bars, parquet: bool = False
) -> list[Path]:
    """Write a report; files of an earlier one are replaced, others left alone.

    Parameters
    ----------
    folder
        It is made where it is missing.
    reports
        One, or two side by side; the tables are those of the first.
    parquet
        Write the tables as Parquet, too; needs the extra ``parquet``.

    Returns
    -------
    list[Path]
        What was written, the page first.

    Raises
    ------
    InputError
        When Parquet is asked for without its library.
    """
    tables = tables_of(reports[0])
    contents = {
        PAGE: page_of(reports, bars).encode(),
        DATA: json_of(reports),
        **{f"{name}.csv": csv_of(rows) for name, rows in tables.items()},
    }
    if parquet:
        contents |= {f"{name}.parquet": parquet_of(rows) for name, rows in tables.items()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        with naming(folder / name):
            (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def json_of(reports: Sequence[StrategyReport]) -> bytes:
    """All of the reports as one JSON document."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps({"runs": msgspec.to_builtins(list(reports))}, option=options)


def tables_of(report: StrategyReport) -> dict[str, Rows]:
    """Tables by name: returns, orders, trades, equity.

    Returns have the ISO date of each session that closed, and the return of the one account, or of
    each by its name.
    """
    accounts = report.accounts
    return {
        "returns": _returns(report),
        "orders": _rows(OrderRow, [row for each in accounts for row in each.orders]),
        "trades": _rows(TradeRow, [row for each in accounts for row in each.trades]),
        "equity": _rows(EquityRow, [row for each in accounts for row in each.sessions]),
    }


def _returns(report: StrategyReport) -> Rows:
    one = len(report.accounts) == 1
    columns = {
        "return" if one else each.account: {
            row.session: row.change for row in each.sessions if row.closed
        }
        for each in report.accounts
    }
    dates = sorted({date for each in columns.values() for date in each})
    rows: Rows = [
        {"date": date, **{name: each.get(date) for name, each in columns.items()}} for date in dates
    ]
    return rows or [dict.fromkeys(("date", *columns))]


def _rows(kind: type[Struct], rows: Sequence[Struct]) -> Rows:
    names = kind.__struct_fields__
    found = [dict(zip(names, map(_cell, astuple(row)), strict=True)) for row in rows]
    return found or [dict.fromkeys(names)]


def _cell(value: Any) -> Any:
    return " ".join(value) if isinstance(value, tuple) else value


def csv_of(rows: Rows) -> bytes:
    """A table with a head; a table without rows is its head alone."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row for row in rows if not _is_empty(row))
    return text.getvalue().encode()


def parquet_of(rows: Rows) -> bytes:
    """A table as Parquet."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(
            "--parquet: pyarrow is not installed; pip install 'tapeline[parquet]'"
        ) from error
    whole = [row for row in rows if not _is_empty(row)]
    columns = {name: [row[name] for row in whole] for name in rows[0]}
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table(columns), sink)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def _is_empty(row: Mapping[str, Any]) -> bool:
    """Whether it stands for a table without rows."""
    return all(value is None for value in row.values())
