"""Parts of a manifest that all runs have: what made it, what became of its rows, what came out.

A run of files, a replay and a replay by several processes add what is their own: inputs, source,
options, beginning. A manifest is plain data; it is written with its keys in order.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import tapeline
from tapeline.schemas.config.model import Config, config_hash
from tapeline.streams.calendars import calendar_checksum, time_zone_version
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.outcome import OUTCOMES
from tapeline.streams.pipeline.manifest_identity import IDENTITY, SCHEDULE, identities, schedule
from tapeline.streams.pipeline.run_ends import ENDS, ends_of
from tapeline.streams.pipeline.summary import RunSummary

CONFIG_HASH: Final = "config_hash"
CALENDARS: Final = "calendars"
TIME_ZONE_VERSION: Final = "time_zone_version"
CODE_VERSION: Final = "code_version"
COUNTERS: Final = "counters"
TOPICS: Final = "topics"
OUTPUT_SHA256: Final = "output_sha256"
OF_GROUPS: Final = (CALENDARS, IDENTITY, SCHEDULE, ENDS)
"""Parts that each process of a run has for its groups alone."""
WORK: Final = ("rebuilds", "bars_again")
"""Counters of corrections, which are no outcomes of records."""


class WrittenTopics(NamedTuple):
    """What came out, by topic.

    Attributes
    ----------
    lines
        Number of them.
    sha256
        Of all lines, hexadecimal.
    """

    lines: dict[str, int]
    sha256: dict[str, str]

    def parts(self) -> dict[str, Any]:
        """The parts of the manifest."""
        return {TOPICS: self.lines, OUTPUT_SHA256: self.sha256}


def input_file(path: str, symbol: str | None, sha256: str) -> dict[str, Any]:
    """A file that was read; `symbol` is None where its rows name theirs."""
    return {"path": path, "symbol": symbol, "sha256": sha256}


def made_with(
    given: Config, config: Config, symbols: Iterable[str], engines: Mapping[str, GroupEngine]
) -> dict[str, Any]:
    """What decides the results besides the log, and how far the symbols came.

    The first are configuration, schedules and versions.

    Parameters
    ----------
    given
        The configuration as it was given: its hash is that of the manifest.
    config
        The one of the engines, which may be without ``max_ahead``.
    symbols
        Those that had a record.
    engines
        By group.
    """
    symbols = list(symbols)
    used = (config.instrument(symbol) for symbol in symbols)
    calendars = sorted({instrument.calendar for instrument in used if instrument is not None})
    return {
        CONFIG_HASH: config_hash(given),
        **identities(config, engines),
        CALENDARS: {calendar: calendar_checksum(calendar) for calendar in calendars},
        TIME_ZONE_VERSION: time_zone_version(),
        CODE_VERSION: tapeline.__version__,
        ENDS: ends_of(symbols, engines.values()),
    }


def counters(
    symbols: Mapping[str, Mapping[str, int]],
    summary: RunSummary,
    *,
    rows: int,
    until_clocks: int = 0,
    superseded: int = 0,
    work: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """What became of the records.

    Parameters
    ----------
    symbols
        Counters of each symbol: the outcomes of its records, and what else is counted of it.
    rows, until_clocks
        Records that were read, and clocks that were appended.
    superseded
        Bars that a later version replaced before the engines had them.
    work
        Totals of `WORK`, where the counters of symbols have none.
    """
    totals = dict.fromkeys((*OUTCOMES, *WORK), 0)
    for found in symbols.values():
        for name, count in found.items():
            totals[name] += count
    return {
        "rows": rows,
        "until_clocks": until_clocks,
        "superseded": superseded,
        **totals,
        **(work or {}),
        "ids_changed": {
            kind: changed.totals() for kind, changed in sorted(summary.ids_changed.items())
        },
        "rejects": dict(sorted(summary.rejects.items())),
        "symbols": dict(symbols),
    }


def joined(config: Config, manifests: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The manifest of a run whose groups were shared out, of manifests that agree in all else.

    Parameters
    ----------
    manifests
        One of each process, all with the same parts but `OF_GROUPS`.
    """
    calendars = ChainMap(*({**each[CALENDARS]} for each in manifests))
    identity = ChainMap(*({**each[IDENTITY]} for each in manifests))
    ends = ChainMap(*({**each[ENDS]} for each in manifests))
    found = dict(sorted(identity.items()))
    return {
        **manifests[0],
        CALENDARS: dict(sorted(calendars.items())),
        IDENTITY: found,
        SCHEDULE: schedule(config, found),
        ENDS: dict(sorted(ends.items())),
    }
