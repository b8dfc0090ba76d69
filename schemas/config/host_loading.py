"""Reads strategies, their accounts and contracts of instruments, and checks that they agree."""

from __future__ import annotations

import difflib
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tapeline.schemas.config.accounts import (
    AMBIGUOUS,
    DEFAULT_ACCOUNT,
    TRADING_STATES,
    AccountConfig,
    AccountMoneyError,
    ContractConfig,
    StopGuard,
    account_decimals,
)
from tapeline.schemas.config.model import DEFAULT, Config
from tapeline.schemas.config.strategies import BEGIN, ON_FAULT, HostConfig, StrategyConfig
from tapeline.schemas.config.values import (
    ALLOWED,
    HANG_LIMIT_S,
    TICK_DECIMALS,
    ConfigKey,
    Reader,
    as_list,
    as_table,
    decimal_text,
    one_of,
    read_flag,
    read_name,
    read_table,
    read_tick,
    whole_number,
    with_nearest,
)
from tapeline.schemas.symbols import is_name

AMOUNT_LIMIT = Decimal(10) ** 15
MOST = 1_000_000_000
NEAR = 0.85
"""An own key of a strategy that is nearer than this to a key of ours was meant to be that one."""

_MODULE = (
    'a file and its class, such as "my_strategy.py:Fade", or a name of the entry points'
    " tapeline.strategies"
)
_MUTED = 'true, false, or "until" and a time with an offset, such as "until 2026-12-01T14:30:00Z"'
_SYMBOLS = "a list of one or more accepted symbols, each once"
_ALLOW = 'a list of names of modules such as "numpy", each once'
_AMOUNT = f"a decimal number from 0 on, below 1e15, of at most {TICK_DECIMALS} decimals"
_CASH = f"a decimal number above 0 and below 1e15 of at most {TICK_DECIMALS} decimals"
_STOP_GUARD = "a table of whole numbers above 0, such as { stops = 3, bars = 60 }"
_OWN = "text, whole numbers, decimal numbers, true, false, and lists and tables of them"

_CLASS = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_CURRENCY = re.compile(r"[A-Z0-9]{3,8}", re.ASCII)
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def _read_module(value: object, at: ConfigKey) -> str:
    """An entry point's name, or file and class, the file from the folder of the configuration."""
    if not isinstance(value, str) or "\0" in value:
        at.refuse(value, _MODULE)
    file, colon, name = value.rpartition(":")
    if not colon:
        if not is_name(value) or "/" in value or value.endswith(".py"):
            at.refuse(value, _MODULE)
        return value
    if not file.endswith(".py") or _CLASS.fullmatch(name) is None:
        at.refuse(value, _MODULE)
    return f"{(Path(at.file).parent / file).absolute()}:{name}"


def _read_symbols(value: object, at: ConfigKey) -> tuple[str, ...]:
    symbols = as_list(value, at, _SYMBOLS)
    if not symbols:
        at.refuse(value, _SYMBOLS)
    for index, symbol in enumerate(symbols):
        if not isinstance(symbol, str) or not is_name(symbol) or symbol in symbols[:index]:
            at.item(index).refuse(symbol, _SYMBOLS)
    return tuple(symbols)


def _read_muted(value: object, at: ConfigKey) -> bool | int:
    """Whether it is muted; until an instant, that in UTC epoch milliseconds."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or not value.startswith("until "):
        at.refuse(value, _MUTED)
    try:
        until = datetime.fromisoformat(value.removeprefix("until ").strip())
    except ValueError:
        at.refuse(value, _MUTED)
    if until.utcoffset() is None:
        at.refuse(value, _MUTED)
    return (until - _EPOCH) // _MILLISECOND


def _read_allow(value: object, at: ConfigKey) -> tuple[str, ...]:
    names = as_list(value, at, _ALLOW)
    for index, name in enumerate(names):
        known = isinstance(name, str) and _DOTTED.fullmatch(name) is not None
        if not known or name in names[:index]:
            at.item(index).refuse(name, _ALLOW)
    return tuple(names)


def _amount(allowed: str, above_zero: bool = False) -> Reader:
    """Reader of money, as decimal text."""

    def read(value: object, at: ConfigKey) -> str:
        text = decimal_text(value, at, allowed, AMOUNT_LIMIT)
        if above_zero and text == "0":
            at.refuse(value, allowed)
        return text

    return read


def _share(greatest: int) -> Reader:
    """Reader of a number from 0 to `greatest`, both included."""
    allowed = f"a number from 0 to {greatest}"

    def read(value: object, at: ConfigKey) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
            at.refuse(value, allowed)
        # A number that is not one (nan) is in no order to others.
        if isinstance(value, Decimal) and not value.is_finite():
            at.refuse(value, allowed)
        if not 0 <= value <= greatest:
            at.refuse(value, allowed)
        return float(value)

    return read


def _read_currency(value: object, at: ConfigKey) -> str:
    if not isinstance(value, str) or _CURRENCY.fullmatch(value) is None:
        at.refuse(value, ALLOWED["currency"])
    return value


def _read_stop_guard(value: object, at: ConfigKey) -> StopGuard:
    table = value if isinstance(value, dict) else {}
    if set(table) != {"stops", "bars"}:
        at.refuse(value, _STOP_GUARD)
    for number in table.values():
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MOST:
            at.refuse(value, _STOP_GUARD)
    return StopGuard(table["stops"], table["bars"])


CONTRACT_READERS: dict[str, Reader] = {
    "multiplier": read_tick,
    "currency": _read_currency,
    "lot": read_tick,
}
ACCOUNT_READERS: dict[str, Reader] = {
    "currency": _read_currency,
    "cash": _amount(_CASH, above_zero=True),
    "quantity": whole_number(1, MOST),
    "slippage_ticks": whole_number(0, MOST),
    "commission_per_unit": _amount(_AMOUNT),
    "commission_per_order": _amount(_AMOUNT),
    "commission_bps": _amount(_AMOUNT),
    "limit_through": whole_number(0, MOST),
    "ambiguous": one_of(AMBIGUOUS),
    "min_quality": _share(100),
    "min_confidence": _share(1),
    "max_quantity": whole_number(1, MOST),
    "stale_slots": whole_number(0, MOST),
    "max_buying_power": _amount(_AMOUNT),
    "max_per_trade": _amount(_AMOUNT),
    "max_per_symbol": _amount(_AMOUNT),
    "max_open_positions": whole_number(1, MOST),
    "cooldown_bars": whole_number(0, MOST),
    "max_drawdown": _share(1),
    "stop_guard": _read_stop_guard,
    "state": one_of(TRADING_STATES),
}
STRATEGY_READERS: dict[str, Reader] = {
    "module": _read_module,
    "symbols": _read_symbols,
    "account": read_name,
    "on_fault": one_of(ON_FAULT),
    "enabled": read_flag,
    "muted": _read_muted,
    "begin": one_of(BEGIN),
    "allow": _read_allow,
    "note_sessions": whole_number(0, 10_000),
}
HOST_READERS: dict[str, Reader] = {"hang_seconds": whole_number(1, HANG_LIMIT_S)}
REQUIRED = ("module", "symbols")


def read_contracts(
    tables: dict[str, Any], built_in: dict[str, ContractConfig], at: ConfigKey
) -> dict[str, ContractConfig]:
    """Contracts of the tables of instruments, each merged key by key.

    One like the default is left out: it is the same by whatever way it came.
    """
    found = dict(built_in)
    own = tables.get(DEFAULT)
    if isinstance(own, dict):
        found[DEFAULT] = _contract(found[DEFAULT], own, at.child(DEFAULT))
    for symbol, table in tables.items():
        if symbol != DEFAULT:
            found[symbol] = _contract(found.get(symbol, found[DEFAULT]), table, at.child(symbol))
    default = found[DEFAULT]
    return {name: each for name, each in found.items() if name == DEFAULT or each != default}


def _contract(below: ContractConfig, table: dict[str, Any], at: ConfigKey) -> ContractConfig:
    own = {key: table[key] for key in CONTRACT_READERS if key in table}
    return replace(below, **read_table(own, at, CONTRACT_READERS))


def read_accounts(value: object, at: ConfigKey) -> dict[str, AccountConfig]:
    """Accounts of a file beside the built-in one, by name."""
    found = {DEFAULT_ACCOUNT: AccountConfig()}
    for name, table in as_table(value, at).items():
        below = at.child(name)
        read_name(name, below)
        found[name] = AccountConfig(**read_table(table, below, ACCOUNT_READERS))
    return found


def read_strategies(value: object, at: ConfigKey) -> dict[str, StrategyConfig]:
    """Strategies by name."""
    found = {}
    for name, table in as_table(value, at).items():
        below = at.child(name)
        read_name(name, below)
        found[name] = read_strategy(as_table(table, below), below)
    return found


def read_strategy(table: dict[str, Any], at: ConfigKey) -> StrategyConfig:
    """A strategy of its table: our keys, and its own.

    Raises
    ------
    ConfigError
        Naming a key that is missing, one of ours with a wrong value, or an own one that is no plain
        data or all but one of ours.
    """
    ours = {key: entry for key, entry in table.items() if key in STRATEGY_READERS}
    for key in REQUIRED:
        if key not in ours:
            at.refuse(table, f"a table with {key}")
    fields = read_table(ours, at, STRATEGY_READERS)
    own = {key: entry for key, entry in table.items() if key not in STRATEGY_READERS}
    for key, entry in own.items():
        near = difflib.get_close_matches(key, STRATEGY_READERS, n=1, cutoff=NEAR)
        if near:
            known = with_nearest(key, STRATEGY_READERS)
            at.child(key).refuse(entry, f"the keys {known}, or a key of its own less like them")
    settings = {key: _plain(entry, at.child(key)) for key, entry in own.items()}
    return StrategyConfig(**fields, settings=settings)


def read_own_value(value: object, file: str, key: str) -> Any:
    """A value of a strategy's own key as plain data.

    Raises
    ------
    ConfigError
        When it is none.
    """
    return _plain(value, ConfigKey(file, key))


def _plain(value: object, at: ConfigKey) -> Any:
    """A value of TOML as plain data: numbers with a point are doubles."""
    if isinstance(value, bool | str | int):
        return value
    if isinstance(value, Decimal):
        if not value.is_finite():
            at.refuse(value, _OWN)
        return float(value)
    if isinstance(value, list):
        return [_plain(each, at.item(index)) for index, each in enumerate(value)]
    if not isinstance(value, dict):
        at.refuse(value, _OWN)
    return {key: _plain(each, at.child(key)) for key, each in value.items()}


def read_host(value: object, at: ConfigKey) -> HostConfig:
    """Settings of what runs strategies."""
    return HostConfig(**read_table(value, at, HOST_READERS))


def check_strategies(config: Config, at: ConfigKey) -> None:
    """Check that accounts and symbols of strategies are there, and that money is whole.

    Raises
    ------
    ConfigError
        Naming ``account`` or ``symbols`` of a strategy, or ``cash`` of an account.
    """
    traded: dict[str, dict[str, ConfigKey]] = {}
    for name, strategy in config.strategies.items():
        below = at.child("strategies").child(name)
        if strategy.account not in config.accounts:
            known = with_nearest(strategy.account, config.accounts)
            below.child("account").refuse(strategy.account, f"the accounts {known}")
        for index, symbol in enumerate(strategy.symbols):
            key = below.child("symbols").item(index)
            if config.instrument(symbol) is None:
                key.refuse(symbol, "configured symbols (no others are accepted)")
            traded.setdefault(strategy.account, {}).setdefault(symbol, key)
    for account, keys in traded.items():
        _check_money(config, account, keys, at.child("accounts").child(account))


def _check_money(config: Config, name: str, keys: dict[str, ConfigKey], at: ConfigKey) -> None:
    account = config.accounts[name]
    try:
        account_decimals(account, config.tick_values(keys))
    except AccountMoneyError as error:
        if error.symbol is None:
            at.child("cash").refuse(account.cash, error.allowed)
        keys[error.symbol].refuse(error.symbol, error.allowed)
