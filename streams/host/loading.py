"""Loads strategies: finds their source, checks it, imports the class and sets it up once."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from tapeline.schemas.config.accounts import AccountMoneyError, account_decimals
from tapeline.schemas.config.host_loading import STRATEGY_READERS, read_own_value
from tapeline.schemas.config.model import Config
from tapeline.schemas.config.strategies import StrategyConfig
from tapeline.schemas.config.values import ConfigKey, read_table, with_nearest
from tapeline.streams.host.checked_needs import checked_needs
from tapeline.streams.host.plan import LoadedStrategy
from tapeline.streams.host.purity import foreign_imports, impurities
from tapeline.streams.host.sources import StrategyLoadError, StrategySource, read_source
from tapeline.streams.host.strategy import Strategy
from tapeline.streams.host.version import strategy_version

ENTRY_POINTS = "tapeline.strategies"
ALL = "all"
GIVEN = "--set"
MOST_SHOWN = 10


class _Found(Struct, frozen=True):
    """Where a class is, before it is imported."""

    source: StrategySource
    class_name: str
    import_module: Callable[[], ModuleType]


def enabled_strategies(config: Config) -> tuple[str, ...]:
    """Names of the strategies that stores and hosts run, by name."""
    return tuple(sorted(name for name, each in config.strategies.items() if each.enabled))


def load_strategies(
    config: Config,
    names: Sequence[str],
    unsafe: bool = False,
    settings: Mapping[str, Any] | None = None,
    *,
    symbols: Sequence[str] = (),
) -> tuple[LoadedStrategy, ...]:
    """Strategies by name, checked and set up once, in order of name.

    Parameters
    ----------
    names
        Names of the configuration; ``all`` for those that are enabled; ``file.py:Class``, whose
        name is that of the class; or names of the entry points ``tapeline.strategies``.
    unsafe
        Leave out the check of their source.
    settings
        Keys of ``[strategies.<name>]``, own ones among them, that replace those of the
        configuration, in its words; of all `names`.
    symbols
        Of strategies that the configuration does not name; none: all that it names.

    Raises
    ------
    StrategyLoadError
        When one is not there, cannot be imported, is impure, or does not go with its account.
    SetupError
        When it cannot run so, or needs what is not configured.
    ConfigError
        When one of `settings` has a value that is not allowed.
    """
    chosen: dict[str, StrategyConfig] = {}
    for each in names:
        for name, strategy in _configured(config, each, symbols):
            if name in chosen:
                raise StrategyLoadError(f"strategy {name}: is named twice")
            chosen[name] = _with_settings(strategy, settings or {})
    _check_accounts(config, chosen)
    return tuple(_loaded(config, name, chosen[name], unsafe) for name in sorted(chosen))


def _configured(
    config: Config, name: str, symbols: Sequence[str]
) -> Iterator[tuple[str, StrategyConfig]]:
    if name in config.strategies:
        yield name, config.strategies[name]
    elif name == ALL:
        if not enabled_strategies(config):
            raise StrategyLoadError("strategies all: none is configured and enabled")
        for each in enabled_strategies(config):
            yield each, config.strategies[each]
    else:
        named = tuple(symbols) or _all_symbols(config)
        file, colon, class_name = name.rpartition(":")
        if colon:
            module = f"{Path(file).absolute()}:{class_name}"
            yield class_name, StrategyConfig(module=module, symbols=named)
        elif name in _entry_points():
            yield name, StrategyConfig(module=name, symbols=named)
        else:
            known = with_nearest(name, [*config.strategies, *_entry_points()]) or "none"
            raise StrategyLoadError(
                f"strategy {name}: is none of {known}; name one of [strategies], an entry point,"
                " or file.py:Class"
            )


def _all_symbols(config: Config) -> tuple[str, ...]:
    members = [symbol for group in config.groups.values() for symbol in group]
    return tuple(dict.fromkeys([*config.instruments, *members]))


def _with_settings(strategy: StrategyConfig, settings: Mapping[str, Any]) -> StrategyConfig:
    ours = {key: value for key, value in settings.items() if key in STRATEGY_READERS}
    fields = read_table(ours, ConfigKey(GIVEN, ""), STRATEGY_READERS)
    own = {
        key: read_own_value(value, GIVEN, key)
        for key, value in settings.items()
        if key not in STRATEGY_READERS
    }
    return replace(strategy, **fields, settings={**strategy.settings, **own})


def _check_accounts(config: Config, chosen: Mapping[str, StrategyConfig]) -> None:
    traded: dict[str, dict[str, None]] = {}
    for name, strategy in sorted(chosen.items()):
        if strategy.account not in config.accounts:
            known = with_nearest(strategy.account, config.accounts)
            raise StrategyLoadError(
                f"strategy {name}: account {strategy.account} is none of {known}"
            )
        traded.setdefault(strategy.account, {}).update(dict.fromkeys(strategy.symbols))
    for account, symbols in traded.items():
        try:
            account_decimals(config.accounts[account], config.tick_values(symbols))
        except AccountMoneyError as error:
            raise StrategyLoadError(f"account {account}: {error}") from error
        except ValueError as error:
            raise StrategyLoadError(str(error)) from error


def _loaded(config: Config, name: str, strategy: StrategyConfig, unsafe: bool) -> LoadedStrategy:
    found = _found(name, strategy)
    if not unsafe:
        _check_purity(name, found.source, strategy.allow)
    make = _class_of(name, found)
    symbols = tuple(sorted(strategy.symbols))
    return LoadedStrategy(
        name=name,
        make=make,
        version=strategy_version(found.source, found.class_name, strategy),
        settings=strategy.settings,
        symbols=symbols,
        account=strategy.account,
        needs=checked_needs(name, make, strategy.settings, symbols, config),
        on_fault=strategy.on_fault,
        muted=strategy.muted,
        unsafe=unsafe,
        note_sessions=strategy.note_sessions,
    )


def _found(name: str, strategy: StrategyConfig) -> _Found:
    file, colon, class_name = strategy.module.rpartition(":")
    if colon:
        source = read_source(Path(file))
        return _Found(source, class_name, lambda: _run_file(source))
    points = _entry_points()
    if strategy.module not in points:
        raise StrategyLoadError(
            f"strategy {name}: module {strategy.module} is none of the entry points"
            f" {ENTRY_POINTS}: {with_nearest(strategy.module, points) or 'none'}"
        )
    module, _, class_name = points[strategy.module].partition(":")
    try:
        spec = importlib.util.find_spec(module)
    except ImportError as error:
        raise StrategyLoadError(f"strategy {name}: {module} cannot be found: {error}") from error
    if spec is None or spec.origin is None or not spec.has_location:
        raise StrategyLoadError(f"strategy {name}: {module} has no source")
    package = module if spec.submodule_search_locations else module.rpartition(".")[0]
    # A module of no package has no folder of its own.
    source = read_source(Path(spec.origin), package or module)
    return _Found(source, class_name, lambda: importlib.import_module(module))


def _entry_points() -> dict[str, str]:
    """Entry points of strategies by name: module and class, joined by a colon."""
    found = importlib.metadata.entry_points(group=ENTRY_POINTS)
    return {each.name: each.value for each in found}


def _check_purity(name: str, source: StrategySource, allow: tuple[str, ...]) -> None:
    lines = []
    for module, text in source.texts.items():
        found = {
            *impurities(text, allow, printing=True),
            *foreign_imports(text, (*allow, *source.importable)),
        }
        lines += [f"{source.files[module]}:{each.line}: {each.message}" for each in sorted(found)]
    if lines:
        shown = lines[:MOST_SHOWN]
        if len(lines) > MOST_SHOWN:
            shown.append(f"... and {len(lines) - MOST_SHOWN} more")
        head = f"strategy {name}: it would not give the same again from the same log:"
        way_out = 'allow = ["module"] in its table allows an import; --unsafe leaves this check out'
        raise StrategyLoadError("\n".join([head, *shown, way_out]))


def _class_of(name: str, found: _Found) -> type[Strategy]:
    try:
        module = found.import_module()
    except StrategyLoadError:
        raise
    except Exception as error:
        raise StrategyLoadError(
            f"strategy {name}: {found.source.file} cannot be imported:"
            f" {type(error).__name__}: {error}"
        ) from error
    made = getattr(module, found.class_name, None)
    if not (isinstance(made, type) and issubclass(made, Strategy)):
        what = "is not there" if made is None else "is no class that inherits tapeline.Strategy"
        raise StrategyLoadError(f"strategy {name}: {found.source.file}:{found.class_name} {what}")
    _print_to_log(name, [module, *_own_modules(found.source)])
    return made


def _run_file(source: StrategySource) -> ModuleType:
    """The module of a file, made anew; modules of its folder are imported by their own names."""
    text = str(source.file)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    name = f"tapeline_strategy_{source.file.stem}_{digest}"
    spec = importlib.util.spec_from_file_location(name, source.file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with _folder_first(source):
        # Data classes look their module up.
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
            for each in source.own:
                importlib.import_module(each)
        except BaseException:
            del sys.modules[name]
            raise
    return module


@contextmanager
def _folder_first(source: StrategySource) -> Iterator[None]:
    """Let modules of the folder be imported; one of that name from elsewhere is refused."""
    for name in source.own:
        there = sys.modules.get(name)
        file = getattr(there, "__file__", None)
        if there is not None and file != str(source.file_of(name)):
            raise StrategyLoadError(
                f"{source.file_of(name)}: another module {name} is loaded, from {file};"
                " give one of them another name"
            )
    folder = str(source.file.parent)
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(folder)


def _own_modules(source: StrategySource) -> list[ModuleType]:
    return [sys.modules[name] for name in source.own if name in sys.modules]


def _print_to_log(name: str, modules: Sequence[ModuleType]) -> None:
    """Let what a strategy prints be lines of its log: what commands print is read by programs."""
    logger = logging.getLogger(f"tapeline.strategy.{name}")

    def printed(*values: object, sep: str | None = " ", **_: object) -> None:
        logger.info("%s", (" " if sep is None else sep).join(map(str, values)))

    for module in modules:
        vars(module)["print"] = printed
