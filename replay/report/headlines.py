"""What a reader of a report must know before any number: costs, limits, what is unsafe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from tapeline.replay.report.book import HostBook
from tapeline.schemas.config.accounts import AccountConfig

WITHOUT_COSTS: Final = "this run has NO COSTS"


def headlines_of(account: AccountConfig, book: HostBook) -> tuple[str, ...]:
    """The first lines of the report of an account; that of costs comes first."""
    lines = [_costs(account), _limits(account)]
    faulted = sorted({each.strategy or "" for each in book.strategies if each.state == "faulted"})
    if faulted:
        lines.append(f"Stopped by an error of its own: {', '.join(faulted)}.")
    unsafe = sorted({each.strategy or "" for each in book.strategies if each.unsafe})
    if unsafe:
        lines.append(f"Run with --unsafe, so not known to be repeatable: {', '.join(unsafe)}.")
    if book.accounts and book.accounts[-1].equity <= 0:
        lines.append("The account lost all it had; it is halted.")
    if book.bars is None:
        lines.append("The folder holds no bars: excursions, bars held and waits are not known.")
    return tuple(lines)


def joined_headlines(lines: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Lines of all accounts by name, each once, those of runs without costs first."""
    names: dict[str, list[str]] = {}
    for position in range(max(map(len, lines.values()), default=0)):
        for name, each in lines.items():
            if position < len(each):
                names.setdefault(each[position], []).append(name)
    ordered = sorted(names, key=lambda line: not line.startswith(WITHOUT_COSTS))
    return tuple(
        f"Account{'s' if len(names[line]) > 1 else ''} {', '.join(names[line])}: {line}"
        for line in ordered
    )


def _costs(account: AccountConfig) -> str:
    commissions = {
        f"{account.commission_per_unit} {account.currency} a unit": account.commission_per_unit,
        f"{account.commission_per_order} {account.currency} an order": account.commission_per_order,
        f"{account.commission_bps} bps of the notional": account.commission_bps,
    }
    charged = [text for text, value in commissions.items() if Decimal(value)]
    if not charged and not account.slippage_ticks:
        return f"{WITHOUT_COSTS}: no slippage, no commission. No market gives such results."
    ticks = f"{account.slippage_ticks} tick{'s' if account.slippage_ticks > 1 else ''}"
    slippage = f"slippage {ticks} a fill of market and stop orders"
    if not account.slippage_ticks:
        slippage = "NO SLIPPAGE, which no market gives"
    return f"costs: {slippage}; commission {' + '.join(charged) or 'none'}."


def _limits(account: AccountConfig) -> str:
    limits = {
        "max_per_trade": account.max_per_trade,
        "max_per_symbol": account.max_per_symbol,
        "max_open_positions": account.max_open_positions,
        "max_drawdown": account.max_drawdown,
    }
    others = [f"{key} {value}" for key, value in limits.items() if value is not None]
    if account.max_buying_power is None:
        first = "no max_buying_power: positions may be many times the account"
    else:
        first = f"max_buying_power {account.max_buying_power}"
    return f"{'; '.join([first, *others])}. A bar that holds stop and target: {account.ambiguous}."
