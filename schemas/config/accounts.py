"""Paper accounts in the configuration, and what a lot of an instrument is worth.

Money is kept as decimal text, as ticks are: an account counts whole units of its currency.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal
from typing import Literal

from msgspec import Struct

from tapeline.schemas.errors import UnusableError

AMBIGUOUS = ("pessimistic", "optimistic", "adaptive")
TRADING_STATES = ("active", "reducing", "halted")
FEWEST_DECIMALS = 2
MOST_DECIMALS = 12
MONEY_LIMIT = 1 << 53
"""Units of an account stay below it: up to there every whole number is a double of its own."""
DEFAULT_ACCOUNT = "default"

# Products of tick, multiplier and lot have up to 63 digits.
_EXACT = Context(prec=100)

Ambiguous = Literal["pessimistic", "optimistic", "adaptive"]
ConfiguredState = Literal["active", "reducing", "halted"]


class AccountMoneyError(UnusableError, ValueError):
    """Money that an account cannot count in whole units of one currency.

    Attributes
    ----------
    symbol
        The symbol that does not go with the account; None: its cash does not.
    allowed
        What may stand there instead, and why.
    """

    def __init__(self, symbol: str | None, allowed: str) -> None:
        what = "cash" if symbol is None else f"symbol {symbol}"
        super().__init__(f"{what}: allowed is {allowed}")
        self.symbol = symbol
        self.allowed = allowed

    def __reduce__(self) -> tuple[type[AccountMoneyError], tuple[str | None, str]]:
        return (type(self), (self.symbol, self.allowed))


class ContractConfig(Struct, frozen=True, kw_only=True):
    """What a lot of an instrument is worth; no fact of the market depends on it.

    Attributes
    ----------
    multiplier
        Worth of a price of 1, in `currency`, as decimal text.
    lot
        Units of the instrument in a lot, as decimal text; quantities count lots.
    """

    multiplier: str = "1"
    currency: str = "USD"
    lot: str = "1"


class StopGuard(Struct, frozen=True):
    """No new position after so many filled stops within so many bars.

    Both are of the account and symbol; bars are in order, in session, of the base.
    """

    stops: int
    bars: int


class AccountConfig(Struct, frozen=True, kw_only=True):
    """A paper account: its money, how its orders are filled, and what it refuses.

    Attributes
    ----------
    cash
        Money at the start; decimal text, as all money here.
    quantity
        Lots of a signal that names none.
    slippage_ticks
        Ticks against the account at each market and stop fill.
    commission_per_unit, commission_per_order, commission_bps
        Money a lot, money an order, hundredths of a per cent of the notional.
    limit_through
        Ticks by which a price must go through a limit to fill it.
    ambiguous
        What fills where stop and target lie in one bar.
    min_quality
        Least quality of the session, 0 to 100.
    min_confidence
        Least confidence of a signal, 0 to 1.
    max_quantity
        Most lots of a signal.
    stale_slots
        Most open slots that the symbol may be behind.
    max_buying_power, max_per_trade, max_per_symbol
        Most notional: of all positions, of an entry, of a position. None: no limit.
    max_open_positions
        Most symbols that are not flat. None: no limit.
    cooldown_bars
        Bars since the symbol was last flat, at least. None: no limit.
    max_drawdown
        Greatest share of the highest equity that may be lost, 0 to 1. None: no limit.
    stop_guard
        None: no limit.
    state
        ``reducing`` takes only what closes, ``halted`` nothing.
    """

    currency: str = "USD"
    cash: str = "100000"
    quantity: int = 1
    slippage_ticks: int = 1
    commission_per_unit: str = "0"
    commission_per_order: str = "0"
    commission_bps: str = "0"
    limit_through: int = 0
    ambiguous: Ambiguous = "pessimistic"
    min_quality: float = 95.0
    min_confidence: float = 0.5
    max_quantity: int = 100
    stale_slots: int = 5
    max_buying_power: str | None = None
    max_per_trade: str | None = None
    max_per_symbol: str | None = None
    max_open_positions: int | None = None
    cooldown_bars: int | None = None
    max_drawdown: float | None = None
    stop_guard: StopGuard | None = None
    state: ConfiguredState = "active"


def tick_value(tick: str, contract: ContractConfig) -> Decimal:
    """What one tick of a lot is worth, in the currency of the instrument; exact."""
    worth = _EXACT.multiply(Decimal(tick), Decimal(contract.multiplier))
    return _EXACT.multiply(worth, Decimal(contract.lot))


def account_decimals(account: AccountConfig, worth: Mapping[str, tuple[Decimal, str]]) -> int:
    """Decimals of the unit of an account; see `money_decimals`.

    Parameters
    ----------
    worth
        By symbol that it trades, what a tick of a lot is worth, and the currency of that.

    Raises
    ------
    AccountMoneyError
        When a currency is not that of the account, a tick is worth a part of the least unit, or
        cash is no whole number of units, or too many of them.
    """
    for symbol, (value, currency) in worth.items():
        if currency != account.currency:
            raise AccountMoneyError(
                symbol,
                f"symbols of the account's currency, {account.currency}; {symbol} has {currency}",
            )
        if money_decimals([value]) is None:
            raise AccountMoneyError(
                symbol,
                f"symbols whose tick x multiplier x lot has at most {MOST_DECIMALS} decimals;"
                f" {symbol} has {value:f}",
            )
    decimals = money_decimals(value for value, _ in worth.values())
    assert decimals is not None, "each of them has a unit"
    units = in_units(account.cash, decimals)
    if units is None or units >= MONEY_LIMIT:
        named = ", ".join(worth)
        raise AccountMoneyError(
            None,
            f"a whole number of units of 10^-{decimals} {account.currency} below 2^53, since ticks"
            f" of {named} need {decimals} decimals",
        )
    return decimals


def money_decimals(tick_values: Iterable[Decimal]) -> int | None:
    """Decimals of the unit of an account: the fewest in which all tick values are whole.

    From `FEWEST_DECIMALS` to `MOST_DECIMALS`; None where that is too few.
    """
    values = list(tick_values)
    for decimals in range(FEWEST_DECIMALS, MOST_DECIMALS + 1):
        if all(_is_whole(value, decimals) for value in values):
            return decimals
    return None


def in_units(amount: str | Decimal, decimals: int) -> int | None:
    """An amount of money in units of 10^-decimals; None where it is no whole number of them."""
    value = Decimal(amount)
    return int(value.scaleb(decimals, _EXACT)) if _is_whole(value, decimals) else None


def _is_whole(value: Decimal, decimals: int) -> bool:
    # Of a normal number: 0.10 has one decimal, 1E+3 has none.
    exponent = value.normalize(_EXACT).as_tuple().exponent
    assert isinstance(exponent, int), "money is finite"
    return -exponent <= decimals
