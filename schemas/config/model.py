"""Effective configuration: frozen structs, the built-in one, its hash, the error of a wrong one.

`schemas.config.loading` reads a TOML file over the built-in configuration, and
`schemas.config.rendering` prints the effective one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Literal

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from tapeline.schemas.config.accounts import (
    DEFAULT_ACCOUNT,
    AccountConfig,
    ContractConfig,
    tick_value,
)
from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.config.indicator_sets import (
    BUILT_IN_SETS,
    IndicatorSet,
    IntervalIndicators,
    indicators_of,
)
from tapeline.schemas.config.security import Brokers, KafkaSecurity
from tapeline.schemas.config.strategies import HostConfig, StrategyConfig
from tapeline.schemas.errors import UnusableError
from tapeline.schemas.instants import DAY_MS, day_of
from tapeline.schemas.intervals import (
    DEFAULT_INTERVALS,
    Interval,
    is_coarser_multiple,
    parse_interval,
)
from tapeline.schemas.templates import BUILT_IN_TEMPLATES, Template
from tapeline.schemas.windows import WindowSpec

CONFIG_FILE = "tapeline.toml"
CALENDAR_IDS = ("CME_EQUITY", "XNYS", "24/7")
DEFAULT_MAX_AHEAD_MS = 35 * DAY_MS

INPUT_MIB = 1024
DEFAULT = "default"
"""The table of every symbol that has none of its own."""
BUILT_IN_CONTRACTS = {
    DEFAULT: ContractConfig(),
    "ES": ContractConfig(multiplier="50"),
    "NQ": ContractConfig(multiplier="20"),
}
Incomplete = Literal["publish", "skip"]


class ConfigError(UnusableError, ValueError):
    """A configuration that cannot be used; nothing starts with it.

    Attributes
    ----------
    file
        The file as given.
    key
        Path of the key, such as ``derived.intervals[2]``; "" when no text or TOML was read.
    value
        The value found.
    allowed
        What is allowed instead.
    """

    def __init__(self, file: str, key: str, value: object, allowed: str) -> None:
        self.file = file
        self.key = key
        self.value = value
        self.allowed = allowed
        entry = f"{key} = {shown_value(value)}" if key else shown_value(value)
        super().__init__(f"{file}: {entry} is not allowed; allowed: {allowed}")

    def __reduce__(self) -> tuple[type[ConfigError], tuple[str, str, object, str]]:
        return (type(self), (self.file, self.key, self.value, self.allowed))


class ConfigFileError(ConfigError):
    """The file itself cannot be read: missing, no text, or no TOML (with the line)."""

    def __init__(self, file: str, problem: str) -> None:
        ConfigError.__init__(self, file, "", problem, "a readable TOML file")
        self.args = (f"{file}: {problem}",)

    def __reduce__(self) -> tuple[type[ConfigFileError], tuple[str, str]]:  # type: ignore[override]
        return (type(self), (self.file, str(self.value)))


def shown_value(value: object) -> str:
    """The value as a message shows it: JSON-like, cut after 80 characters."""
    if isinstance(value, Decimal):
        text = str(value)
    else:
        try:
            text = json.dumps(value, ensure_ascii=False, default=str)
        except (ValueError, RecursionError):
            return "a value too large to show"
    return text if len(text) <= 80 else text[:77] + "..."


class KafkaConfig(Struct, frozen=True, kw_only=True):
    """Where the broker is and how topics are made; none of it changes a result.

    Attributes
    ----------
    snapshot_days
        A snapshot is kept until that of a session so many days later, or a multiple, replaces it.
    security
        Of every connection; its settings are keys of ``[kafka]`` in a file.
    """

    bootstrap: str = "127.0.0.1:9092"
    topic_prefix: str = "tape"
    partitions: int = 12
    replication: int = 1
    snapshot_days: int = 64
    security: KafkaSecurity = KafkaSecurity()

    @property
    def brokers(self) -> Brokers:
        """What a client needs to connect."""
        return Brokers(self.bootstrap, self.security)


class TimeConfig(Struct, frozen=True, kw_only=True):
    """Instants that a record may have: earliest <= instant < latest, as ISO dates in UTC.

    They decide which records are let in, not what becomes of one that is.
    """

    earliest: str = "1990-01-01"
    latest: str = "2100-01-01"

    @property
    def earliest_ms(self) -> int:
        """First instant, UTC epoch milliseconds, inclusive."""
        return midnight_ms(self.earliest)

    @property
    def latest_ms(self) -> int:
        """End of the instants, UTC epoch milliseconds, exclusive."""
        return midnight_ms(self.latest)


class LimitsConfig(Struct, frozen=True, kw_only=True):
    """What an input may take of the machine; beyond it an input or a record is refused.

    Attributes
    ----------
    symbols
        Symbols of a partition that are not configured; see `Config.names`.
    input_mib
        What one row group of a Parquet file, or one line of a text file, may expand to, in MiB.
    """

    symbols: int = 20_000
    input_mib: int = INPUT_MIB


def midnight_ms(iso_date: str) -> int:
    """Beginning of a UTC day, in epoch milliseconds."""
    return day_of(iso_date) * DAY_MS


class InstrumentConfig(Struct, frozen=True, kw_only=True):
    """What decides the results of one symbol.

    Attributes
    ----------
    tick
        Least price step as decimal text without trailing zeros.
    calendar
        One of `CALENDAR_IDS`.
    base
        Interval of the symbol's bars in the log, normalised (``60m``, not ``1h``).
    ranges
        Names of templates; their order breaks ties of own kinds.
    swings
        Whether swings are computed.
    structural_class
        1 to 6; None: by base (`swing_structural_class`).
    negative_prices
        Whether zero and negative prices are accepted.
    quality
        Whether quality and gaps are published.
    horizon_sessions
        Correction horizon N in calendar sessions; 0: only the session of the watermark.
    max_ahead_ms
        Greatest step of a record beyond the watermark, in milliseconds; 0: no limit.
    indicators
        Names of sets of indicators, each once.
    """

    tick: str
    calendar: str
    base: str = "1m"
    ranges: tuple[str, ...] = ()
    swings: bool = True
    structural_class: int | None = None
    negative_prices: bool = False
    quality: bool = True
    horizon_sessions: int = 10
    max_ahead_ms: int = DEFAULT_MAX_AHEAD_MS
    indicators: tuple[str, ...] = ()

    @property
    def swing_structural_class(self) -> int:
        """The structural class in force: the configured one, else 3 under 60m and 2 from 60m on."""
        if self.structural_class is not None:
            return self.structural_class
        return 3 if parse_interval(self.base).length_ms < parse_interval("60m").length_ms else 2


class DerivedConfig(Struct, frozen=True, kw_only=True):
    """Derived bars: normalised interval names by ascending length, and what incomplete ones do."""

    intervals: tuple[str, ...] = DEFAULT_INTERVALS
    incomplete: Incomplete = "publish"


class Config(Struct, frozen=True, kw_only=True):
    """The effective configuration, validated.

    Attributes
    ----------
    instruments
        Configured symbols.
    default
        The instrument of every other symbol; None: other symbols are dead letters.
    groups
        Group id to its one or two symbols. A symbol in no group is a group of its own name.
    templates
        Built-in and own range templates by name.
    indicators
        Built-in and own sets of indicators by name.
    feeds
        Live feeds by name. They decide what comes in, and nothing of what becomes of it.
    windows
        Historical windows by name.
    contracts
        What a lot is worth, by symbol; `DEFAULT` is that of every other one. It decides what
        accounts hold, and no fact of the market.
    accounts
        Paper accounts by name.
    strategies
        Strategies by name. They decide what hosts publish, and nothing of what others do.
    host
        Of what runs strategies.
    """

    kafka: KafkaConfig
    instruments: dict[str, InstrumentConfig]
    default: InstrumentConfig | None
    groups: dict[str, tuple[str, ...]]
    derived: DerivedConfig
    templates: dict[str, Template]
    time: TimeConfig = TimeConfig()
    limits: LimitsConfig = LimitsConfig()
    feeds: dict[str, FeedConfig] = {}
    indicators: dict[str, IndicatorSet] = field(default_factory=lambda: dict(BUILT_IN_SETS))
    windows: dict[str, WindowSpec] = {}
    contracts: dict[str, ContractConfig] = field(default_factory=lambda: dict(BUILT_IN_CONTRACTS))
    accounts: dict[str, AccountConfig] = field(
        default_factory=lambda: {DEFAULT_ACCOUNT: AccountConfig()}
    )
    strategies: dict[str, StrategyConfig] = {}
    host: HostConfig = HostConfig()

    def without_max_ahead(self) -> Config:
        """The same with no limit to jumps of the watermark.

        For bars in final order, without the clocks that bridged the time between them.
        """
        return replace(
            self,
            instruments={
                symbol: replace(instrument, max_ahead_ms=0)
                for symbol, instrument in self.instruments.items()
            },
            default=None if self.default is None else replace(self.default, max_ahead_ms=0),
        )

    def instrument(self, symbol: str) -> InstrumentConfig | None:
        """Instrument of a symbol; None when the symbol is not accepted.

        The id of a group is no symbol unless it names a member: the two would share state.
        """
        found = self.instruments.get(symbol)
        if found is not None:
            return found
        if symbol in self.groups and symbol not in self.groups[symbol]:
            return None
        return self.default

    def names(self, symbol: str) -> bool:
        """Whether a symbol is configured: by a table of its own, or as a member of a group.

        Any other one is taken by ``[instruments.default]``, if at all.
        """
        return symbol in self.instruments or self.group_of(symbol) in self.groups

    def contract(self, symbol: str) -> ContractConfig:
        """What a lot of a symbol is worth."""
        return self.contracts.get(symbol) or self.contracts[DEFAULT]

    def tick_values(self, symbols: Iterable[str]) -> dict[str, tuple[Decimal, str]]:
        """What a tick of a lot of each symbol is worth, and in which currency.

        Raises
        ------
        ValueError
            When a symbol is not accepted.
        """
        found = {}
        for symbol in symbols:
            instrument, contract = self.instrument(symbol), self.contract(symbol)
            if instrument is None:
                raise ValueError(f"symbol {symbol}: is not configured, and no others are accepted")
            found[symbol] = (tick_value(instrument.tick, contract), contract.currency)
        return found

    def group_of(self, symbol: str) -> str:
        """Group id of a symbol: the symbol itself where no group names it."""
        for group_id, members in self.groups.items():
            if symbol in members:
                return group_id
        return symbol

    def members(self, group_id: str) -> tuple[str, ...]:
        """Symbols of a group in their configured order; a lone symbol is its own only member."""
        return self.groups.get(group_id, (group_id,))

    def windows_of(self, symbol: str) -> dict[str, WindowSpec]:
        """Historical windows of a symbol by name."""
        return {name: window for name, window in self.windows.items() if window.is_of(symbol)}

    def intervals_for(self, base: str) -> tuple[Interval, ...]:
        """Derived intervals that apply to base bars `base`, by ascending length."""
        base_interval = parse_interval(base)
        intervals = (parse_interval(name) for name in self.derived.intervals)
        return tuple(each for each in intervals if is_coarser_multiple(each, base_interval))

    def indicators_for(self, instrument: InstrumentConfig) -> tuple[IntervalIndicators, ...]:
        """Indicators of an instrument, by ascending length of interval; see `indicators_of`."""
        if not instrument.indicators:
            return ()
        named = ((name, self.indicators[name]) for name in instrument.indicators)
        return indicators_of(named, instrument.base)

    def computed_for(self, instrument: InstrumentConfig) -> tuple[Interval, ...]:
        """Derived intervals that only indicators of an instrument ask for: not published."""
        published = {interval.name for interval in self.intervals_for(instrument.base)}
        return tuple(
            parse_interval(each.interval)
            for each in self.indicators_for(instrument)
            if each.interval not in published and each.interval != instrument.base
        )


def built_in_config() -> Config:
    """The configuration of a run without a file: ES and NQ paired, any other symbol accepted."""
    index = InstrumentConfig(tick="0.25", calendar="CME_EQUITY", ranges=("cme_index",))
    return Config(
        kafka=KafkaConfig(),
        instruments={"ES": index, "NQ": index},
        default=InstrumentConfig(tick="0.0001", calendar="24/7"),
        groups={"ES-NQ": ("ES", "NQ")},
        derived=DerivedConfig(),
        templates=dict(BUILT_IN_TEMPLATES),
    )


def config_hash(config: Config) -> str:
    """SHA-256 (hex) of what decides results, as canonical JSON.

    Which is all but ``[kafka]``, ``[feeds]``, ``[limits] input_mib``, and what concerns strategies:
    ``[strategies]``, ``[accounts]``, ``[host]`` and contracts of instruments.
    """
    instruments = {name: _deciding(each) for name, each in config.instruments.items()}
    default = None if config.default is None else _deciding(config.default)
    content: dict[str, object] = {
        "default": default,
        "derived": config.derived,
        "groups": config.groups,
        "instruments": instruments,
        "limits": {"symbols": config.limits.symbols},
        "templates": config.templates,
        "time": config.time,
    }
    used = {name for each in _instruments(config) for name in each.indicators}
    if used:
        content["indicators"] = {name: config.indicators[name] for name in used}
    if config.windows:
        content["windows"] = config.windows
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def _instruments(config: Config) -> list[InstrumentConfig]:
    default = [] if config.default is None else [config.default]
    return [*default, *config.instruments.values()]


def _deciding(instrument: InstrumentConfig) -> dict[str, Any]:
    """An instrument as plain data; one without indicators as before there were any."""
    found: dict[str, Any] = msgspec.to_builtins(instrument)
    if not instrument.indicators:
        del found["indicators"]
    return found
