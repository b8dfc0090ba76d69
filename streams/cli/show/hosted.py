"""What strategies and their accounts did in a run, as tables for a terminal."""

from __future__ import annotations

from typing import Any

from tapeline.streams.outputs.terminal import PlainConsole, PlainTable, number_table


def print_hosted(console: PlainConsole, totals: dict[str, Any]) -> None:
    """Strategies, why their signals were rejected, what failed, and their accounts.

    Parameters
    ----------
    totals
        As `HostSummary.totals` gives them.
    """
    strategies, accounts = totals["strategies"], totals["accounts"]
    if strategies:
        console.print(_strategies_table(strategies))
    for name, found in strategies.items():
        if found["rejected"]:
            codes = ", ".join(f"{code} {count}" for code, count in found["rejected"].items())
            console.print(f"Rejected signals of {name}: {codes}", soft_wrap=True)
        if found["unsafe"]:
            console.print(f"{name}: its code was not checked (--unsafe).", soft_wrap=True)
        if found["error_type"] is not None:
            console.print(_fault_line(name, found), soft_wrap=True)
    if accounts:
        console.print(_accounts_table(accounts))


def _strategies_table(strategies: dict[str, Any]) -> PlainTable:
    table = number_table(
        "Strategies", "strategy", "state", "signals", "approved", "rejected", "fills", "notes"
    )
    for name, found in strategies.items():
        rejected = sum(found["rejected"].values())
        counts = (found["signals"], found["approved"], rejected, found["fills"], found["notes"])
        table.add_row(name, found["state"] or "-", *map(str, counts))
    return table


def _fault_line(name: str, found: dict[str, Any]) -> str:
    record = found["record"]
    where = ""
    if record is not None:
        where = f" at partition {record['partition']}, offset {record['offset']}"
    return f"{name} stopped{where}: {found['error_type']}: {found['error']}"


def _accounts_table(accounts: dict[str, Any]) -> PlainTable:
    money_columns = ("equity", "realised", "open", "costs")
    currencies = ", ".join(sorted({found["currency"] for found in accounts.values()}))
    table = number_table(
        f"Paper accounts ({currencies})", "account", *money_columns, "trades", "drawdown", "state"
    )
    for name, found in accounts.items():
        money = [f"{found[field]:,.2f}" for field in ("equity", "realised", "open", "commission")]
        table.add_row(
            name,
            *money,
            str(found["trades"]),
            f"{found['drawdown']:,.2f}",
            found["state"],
        )
    return table
