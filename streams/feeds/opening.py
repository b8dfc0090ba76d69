"""What a run reads: named inputs, opened, in one order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tapeline.schemas.config.model import Config
from tapeline.schemas.records import Clock
from tapeline.schemas.symbols import NAME_RULE, is_name
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.csv_feed import CsvFeed
from tapeline.streams.feeds.items import Feed, Item
from tapeline.streams.feeds.log_feed import LogFeed
from tapeline.streams.feeds.merge import in_sequence, merged
from tapeline.streams.feeds.parquet_feed import ParquetFeed
from tapeline.streams.feeds.repeated_hours import Passes, PassesOfFile
from tapeline.streams.feeds.sorting import MEMORY_BYTES, SortMemory, Table, open_in_order
from tapeline.streams.feeds.times import TableTimes
from tapeline.streams.outputs.escaping import writable
from tapeline.streams.pipeline.routing import Router, SlotEnds

LOG_SUFFIXES = (".jsonl", ".jsonl.gz")
CSV_SUFFIXES = (".csv", ".csv.gz")
TEXT_SUFFIXES = (*CSV_SUFFIXES, *LOG_SUFFIXES)
PROGRESS_ROWS = 2_000


@dataclass(frozen=True)
class Source:
    """One input as named: a path, and the symbol of the whole file where it is given."""

    path: str
    symbol: str | None = None

    @property
    def is_log(self) -> bool:
        """Whether it holds log records rather than a table of bars."""
        return self.path.endswith(LOG_SUFFIXES)


@dataclass(frozen=True)
class Progress:
    """How far a run is: rows taken, and bytes of the inputs read."""

    rows: int
    bytes_read: int


def open_feeds(
    sources: Sequence[Source],
    router: Router,
    times: TableTimes,
    stack: ExitStack,
    copies: Mapping[str, str] | None = None,
) -> list[Feed]:
    """Open every input; all that can be known to be unusable is found here.

    Tables whose rows are out of order are sorted by the end of their bars; logs never are.

    Parameters
    ----------
    times
        How the times of tables are read.
    stack
        Closes the inputs.
    copies
        By path of an input, the file that is read instead; see `streams.feeds.spool`.

    Raises
    ------
    InputError
        Naming the file, what is wrong with it and the way out.
    FeedBroken
        When a table out of order cannot be read, or there is no room to sort it.
    """
    if not sources:
        raise InputError("no input: name a file, or --bars SYMBOL=FILE")
    if len({source.is_log for source in sources}) > 1:
        raise InputError("logs (.jsonl) and tables of bars cannot be mixed in one run")
    feeds: list[Feed] = []
    # What is only looked at must not make the run's own router know a symbol.
    ends, memory = SlotEnds(Router(router.config)), SortMemory(len(sources), MEMORY_BYTES)
    for source in sources:
        copy = None if copies is None else copies.get(source.path)
        if source.is_log:
            feed: Feed = _open_log(source, copy, router.config.limits.input_mib)
        else:
            again = os.path.isfile(source.path if copy is None else copy)
            table = partial(_open_table, source, router, times, copy)
            # The look and the run ask the same passes: what is read again is read once.
            make = partial(table, PassesOfFile(table if again else None))
            feed = open_in_order(make, again, ends, memory)
        stack.callback(feed.close)
        feeds.append(feed)
    return feeds


def _open_log(source: Source, copy: str | None, limit_mib: int) -> LogFeed:
    _check_names(source)
    if source.symbol is not None:
        raise InputError(f"{source.path}: a log names its symbols itself; give it without --bars")
    return LogFeed(source.path, copy, limit_mib)


def _open_table(
    source: Source, router: Router, times: TableTimes, copy: str | None, passes: Passes
) -> Table:
    path, limit_mib = source.path, router.config.limits.input_mib
    _check_names(source)
    if path.endswith(CSV_SUFFIXES):
        return CsvFeed(path, source.symbol, router.base_of, times, copy, limit_mib, passes)
    if path.endswith(".parquet"):
        return ParquetFeed(path, source.symbol, router.base_of, times, limit_mib, passes)
    if Path(path).is_dir():
        raise InputError(f"{path}: is a directory, not a file")
    known = ", ".join((*CSV_SUFFIXES, *LOG_SUFFIXES, ".parquet"))
    raise InputError(f"{path}: the name must end in one of {known}")


def _check_names(source: Source) -> None:
    if writable(source.path) != source.path:
        raise InputError(f"{source.path}: the name is not UTF-8; rename the file")
    if source.symbol is not None and not is_name(source.symbol):
        raise InputError(f"--bars {source.symbol}={source.path}: the symbol is not {NAME_RULE}")


def in_order(
    sources: Sequence[Source], feeds: Sequence[Feed], router: Router
) -> Iterator[tuple[Feed, Item]]:
    """Rows of all inputs in the order of the log: logs as they are, tables merged."""
    if sources[0].is_log:
        return in_sequence(feeds)
    return merged(feeds, SlotEnds(router))


def symbols_of(config: Config, sources: Sequence[Source], met: Iterable[str]) -> list[str]:
    """Symbols of the inputs, by name: the clocks of ``--until`` go to each.

    A symbol that the command line names is one of them though its file has no row: the clock
    will be its only record. So is one whose rows were all refused.

    Parameters
    ----------
    met
        Symbols that rows name; those that are not configured are left out.
    """
    named = {source.symbol for source in sources if source.symbol is not None}
    return sorted(symbol for symbol in named.union(met) if config.instrument(symbol) is not None)


def until_clocks(
    config: Config,
    sources: Sequence[Source],
    met: Iterable[str],
    until_ms: int | None,
    by_symbol: Mapping[str, int],
) -> list[Clock]:
    """The clocks of ``--until``, by symbol: each has one time, its own before that of all.

    Parameters
    ----------
    met
        As of `symbols_of`.
    """
    times = dict(by_symbol)
    if until_ms is not None:
        times = dict.fromkeys(symbols_of(config, sources, met), until_ms) | times
    return [Clock(symbol, time_ms) for symbol, time_ms in sorted(times.items())]


def reported(
    rows: Iterator[tuple[Feed, Item]],
    feeds: Sequence[Feed],
    progress: Callable[[Progress], None],
) -> Iterator[tuple[Feed, Item]]:
    """The same rows, and now and then how far they are."""
    for count, row in enumerate(rows, 1):
        yield row
        if count % PROGRESS_ROWS == 0:
            progress(Progress(count, sum(feed.bytes_read for feed in feeds)))
