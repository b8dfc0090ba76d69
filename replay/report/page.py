"""The report as one page: HTML with its style and its charts inside, no script, nothing loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from tapeline.replay.report.charts import Axis, DrawnLine, Mark, chart
from tapeline.replay.report.figures import NOT_MEANINGFUL, Figure
from tapeline.replay.report.report import AccountReport, StrategyReport, StrategyRow
from tapeline.replay.report.seen_bars import SeenBars
from tapeline.replay.report.tables import EquityRow, OrderRow, TradeRow
from tapeline.schemas.instants import iso_minute

MOST_ROWS: Final = 1_000
"""Trades on the page; the files hold all of them."""
MOST_CHARTS: Final = 12
NOT_MODELLED: Final = (
    "Not modelled: the queue at a price, the market's answer to an order, borrowing, funding,"
    " margin calls, partial fills. A level that was touched is not a level that was traded."
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
body{font:14px/1.45 system-ui,sans-serif;max-width:1000px;margin:24px auto;padding:0 16px}
h1{font-size:22px}h2{font-size:17px;margin-top:32px;border-bottom:1px solid #d0d7de}
table{border-collapse:collapse;width:100%;font-size:12.5px}
th,td{padding:3px 8px;text-align:right;border-bottom:1px solid #eaeef2;white-space:nowrap}
th:first-child,td:first-child,td.text,th.text{text-align:left}td.text{white-space:normal}
.warn{background:#fff4d6;border-left:4px solid #b58100;padding:6px 12px;margin:4px 0}
figure{margin:16px 0}figcaption{font-weight:600}svg{width:100%;height:auto}
.grid{stroke:#e3e7eb}.axis{font-size:11px;fill:#57606a;text-anchor:end}.label{font-size:11px;fill:#57606a}
polyline{fill:none;stroke-width:1.4}.lived{stroke:#0757b5;color:#0757b5}
.corrected{stroke:#b54a07;color:#b54a07}.price{stroke:#8c959f;color:#57606a}
.area{stroke-width:1;fill-opacity:.25}.lived.area{fill:#0757b5}.corrected.area{fill:#b54a07}
.buy{fill:#1a7f37}.sell{fill:#cf222e}small{color:#57606a}
"""
STYLES: Final = ("lived", "corrected")

Bars = dict[str, SeenBars]
"""Bars of the first run by symbol; empty where it has none."""


def page_of(reports: Sequence[StrategyReport], bars: Bars) -> str:
    """The page of one run, or of two side by side.

    Parameters
    ----------
    reports
        One, or the run as lived and the same as corrected.
    bars
        Prices for the charts of trades of the first.
    """
    first = reports[0]
    title = " and ".join(each.run for each in reports)
    body = [f"<h1>{escape(title)}</h1>"]
    for report in reports:
        label = f"{name_of(report)}: " if len(reports) > 1 else ""
        body += [f'<p class="warn">{escape(label + line)}</p>' for line in report.headlines]
    names = dict.fromkeys(each.account for report in reports for each in report.accounts)
    for name in names:
        body.append(_account(name, reports, bars))
    for report in reports:
        body.append(_strategies(report, len(reports) > 1))
    body.append(f"<p><small>{escape(NOT_MODELLED)}</small></p>")
    body.append(_facts(first))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def name_of(report: StrategyReport) -> str:
    """How one of two runs is called."""
    return "as corrected" if report.as_corrected else "as lived"


def _account(name: str, reports: Sequence[StrategyReport], bars: Bars) -> str:
    found = [(each, _of(each, name)) for each in reports]
    present = [(report, account) for report, account in found if account is not None]
    _, account = present[0]
    heads = [name_of(each) for each, _ in present] if len(reports) > 1 else ["value"]
    parts = [f"<h2>Account {escape(name)}, {escape(account.currency)}</h2>"]
    parts.append(_figures(heads, [each for _, each in present]))
    parts += _charts(reports, present, bars)
    for shown, each in present:
        label = f", {name_of(shown)}" if len(reports) > 1 else ""
        parts.append(_decisions(each, label))
        parts.append(_sessions(each.sessions, label))
        parts.append(_trades(each.trades, label))
    return "\n".join(parts)


def _of(report: StrategyReport, name: str) -> AccountReport | None:
    return next((each for each in report.accounts if each.account == name), None)


def _figures(heads: Sequence[str], accounts: Sequence[AccountReport]) -> str:
    first = accounts[0].figures
    rows = [
        [
            key.replace("_", " "),
            *(figure_text(each.figures[key]) for each in accounts),
            first[key].unit,
            first[key].inputs,
        ]
        for key in first
    ]
    return table(["figure", *heads, "", "made of"], rows, texts={len(heads) + 1, len(heads) + 2})


def figure_text(figure: Figure, few: str = " (not meaningful)") -> str:
    """A figure as the page shows it; `few` marks a ratio of too few sessions."""
    value = figure.value
    if value is None:
        return "-"
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
    return f"{text}{few}" if NOT_MEANINGFUL in figure.inputs else text


Shown = Sequence[tuple[StrategyReport, AccountReport]]


def _charts(reports: Sequence[StrategyReport], present: Shown, bars: Bars) -> Iterable[str]:
    dates = sorted({row.session for _, each in present for row in each.sessions})
    if not dates:
        return
    axis = Axis(len(dates), dates[0], dates[-1])
    start = [float(each.figures["start"].value or 0.0) for _, each in present]
    named = {
        "Equity": [
            _carried(dates, each.sessions, "equity", start[at])
            for at, (_, each) in enumerate(present)
        ],
        "Drawdown": [_carried(dates, each.sessions, "drawdown", 0.0) for _, each in present],
        "Exposure": [_carried(dates, each.sessions, "exposure", 0.0) for _, each in present],
    }
    for title, lines in named.items():
        series = [
            DrawnLine(
                name_of(present[at][0]) if len(present) > 1 else "by session",
                [-value for value in values] if title == "Drawdown" else values,
                STYLES[at],
            )
            for at, values in enumerate(lines)
        ]
        yield chart(title, axis, series, area=title != "Equity")
    _, account = present[0]
    symbols = sorted({row.symbol for row in account.orders})
    for symbol in symbols[:MOST_CHARTS]:
        seen = bars.get(symbol)
        if seen is not None and seen.starts and present[0][0] is reports[0]:
            yield _price_chart(symbol, seen, account.orders)
    if len(symbols) > MOST_CHARTS:
        yield f"<p><small>Charts of {MOST_CHARTS} of {len(symbols)} symbols.</small></p>"


def _carried(
    dates: Sequence[str], rows: Sequence[EquityRow], field: str, value: float
) -> list[float]:
    """A field by session; a session without a row has the value before it."""
    by_date = {row.session: float(getattr(row, field)) for row in rows}
    found = []
    for date in dates:
        value = by_date.get(date, value)
        found.append(value)
    return found


def _price_chart(symbol: str, seen: SeenBars, orders: Sequence[OrderRow]) -> str:
    axis = Axis(len(seen.starts), iso_minute(seen.starts[0]), iso_minute(seen.starts[-1]))
    marks = []
    for order in orders:
        at = seen.position(order.bar_ms) if order.symbol == symbol else None
        if at is not None:
            side = "buy" if order.size > 0 else "sell"
            title = f"{order.time} {order.size:+d} at {order.price} ({order.role})"
            marks.append(Mark(at, order.price, side, title))
    return chart(
        f"{symbol}, fills on closes of base bars",
        axis,
        [DrawnLine("", seen.closes, "price")],
        marks,
    )


def _decisions(account: AccountReport, label: str) -> str:
    rows = [[code, f"{count:,}"] for code, count in account.decisions.items()]
    return f"<h2>Decisions{escape(label)}</h2>" + table(["code", "signals"], rows)


def _sessions(rows: Sequence[EquityRow], label: str) -> str:
    cells = [
        [
            row.session if row.closed else f"{row.session} (not closed)",
            money(row.equity),
            "-" if row.change is None else f"{100 * row.change:.3f} %",
            money(row.drawdown),
            money(row.realised),
            money(row.open),
            money(row.commission),
            money(row.exposure),
        ]
        for row in rows[-MOST_ROWS:]
    ]
    heads = [
        "session",
        "equity",
        "return",
        "drawdown",
        "realised",
        "open",
        "commission",
        "exposure",
    ]
    return f"<h2>Sessions{escape(label)}</h2>" + _rest(len(rows)) + table(heads, cells)


def _trades(rows: Sequence[TradeRow], label: str) -> str:
    cells = [
        [
            row.entry_time,
            row.exit_time or "open",
            row.symbol,
            row.side,
            str(row.quantity),
            f"{row.entry_price:,.10g}",
            "-" if row.exit_price is None else f"{row.exit_price:,.10g}",
            "-" if row.bars is None else str(row.bars),
            "-" if row.against_ticks is None else f"{row.against_ticks:g}",
            "-" if row.in_favour_ticks is None else f"{row.in_favour_ticks:g}",
            money(row.net),
            row.exit + (" (ambiguous)" if row.ambiguous else ""),
            row.reason,
            "-" if row.quality is None else f"{row.quality:.1f}",
            " ".join(row.signals),
        ]
        for row in rows[-MOST_ROWS:]
    ]
    heads = [
        *("entry", "exit", "symbol", "side", "quantity", "at", "out at", "bars"),
        *("MAE ticks", "MFE ticks", "net", "ended by", "reason", "quality", "signals"),
    ]
    return f"<h2>Trades{escape(label)}</h2>" + _rest(len(rows)) + table(heads, cells, {11, 12, 14})


def _rest(count: int) -> str:
    if count <= MOST_ROWS:
        return ""
    return f"<p><small>The last {MOST_ROWS:,} of {count:,}; the files hold all.</small></p>"


def _strategies(report: StrategyReport, two: bool) -> str:
    label = f", {name_of(report)}" if two else ""
    rows = [_strategy_cells(each) for each in report.strategies]
    heads = ["strategy", "version", "state", "signals", "approved", "rejected", "by state"]
    notes = (
        "A run as corrected has no notes."
        if report.notes is None
        else f"{report.notes:,} notes on corrected inputs of signals."
    )
    return (
        f"<h2>Strategies{escape(label)}</h2>"
        + table(heads, rows, {1, 2, 6})
        + f"<p><small>{notes}</small></p>"
    )


def _strategy_cells(row: StrategyRow) -> list[str]:
    state = row.state if row.error is None else f"{row.state}: {row.error}"
    return [
        row.name,
        row.version,
        state + (" (unsafe)" if row.unsafe else ""),
        f"{sum(row.signals.values()):,}",
        f"{row.approved:,}",
        f"{row.rejected:,}",
        ", ".join(f"{count} {state}" for state, count in row.signals.items()),
    ]


def _facts(report: StrategyReport) -> str:
    rows = [
        [key.replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value)]
        for key, value in report.facts.items()
        if not isinstance(value, dict)
    ]
    return "<h2>Run</h2>" + table(["fact", "value"], rows, {1})


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], texts: set[int] | None = None
) -> str:
    """A table of texts, escaped; columns are numbers but for the first and `texts`."""
    left = texts or set()
    head = "".join(
        f'<th class="text">{escape(each)}</th>' if at in left else f"<th>{escape(each)}</th>"
        for at, each in enumerate(heads)
    )
    body = "\n".join(
        "<tr>"
        + "".join(
            f'<td class="text">{escape(each)}</td>' if at in left else f"<td>{escape(each)}</td>"
            for at, each in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"


def money(value: float) -> str:
    """An amount with two decimals, more where it has them."""
    return f"{value:,.2f}" if round(value, 2) == value else f"{value:,.10g}"
