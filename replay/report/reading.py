"""The folder of a run as a report needs it: host events, bars, and what its manifest holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import orjson

from tapeline.replay.export import events_in
from tapeline.replay.hosting import ACCOUNTS, STRATEGIES
from tapeline.replay.manifest.check import check_manifest
from tapeline.replay.report.book import HostBook, last_versions
from tapeline.replay.report.seen_bars import BarsOfRun, bars_of
from tapeline.schemas.config.accounts import AccountConfig
from tapeline.schemas.host_events import (
    Account,
    Decision,
    Fill,
    IssuedSignal,
    Order,
    Position,
    SignalNote,
    StrategyState,
)
from tapeline.streams.errors import InputError
from tapeline.streams.outputs.run_bars import BARS_FILE, BarLine
from tapeline.streams.outputs.run_folder import MANIFEST
from tapeline.streams.pipeline.manifest import CODE_VERSION, CONFIG_HASH, COUNTERS

_SHOWN = ("rows", "accepted", "late", "changed", "cancelled", "duplicate", "off_session")


def read_book(folder: str | Path) -> HostBook:
    """What the strategies of a run published, and the bars that it saw.

    Parameters
    ----------
    folder
        Of a replay with ``--strategy``.

    Raises
    ------
    InputError
        When it is no folder of a run, or of one without strategies.
    """
    path = Path(folder)
    try:
        manifest = check_manifest(orjson.loads((path / MANIFEST).read_bytes()), str(folder))
    except FileNotFoundError:
        raise InputError(f"{folder}: is no folder of a run: it holds no {MANIFEST}") from None
    except orjson.JSONDecodeError as error:
        raise InputError(f"{folder}: {MANIFEST} is damaged ({error})") from error
    if STRATEGIES not in manifest:
        raise InputError(
            f"{folder}: holds no strategies; run it with `tapeline replay --strategy NAME`"
        )
    return HostBook(
        name=str(folder),
        as_corrected=manifest.get("mode") == "as-corrected",
        signals=last_versions(_events(path, IssuedSignal)),
        orders=last_versions(_events(path, Order)),
        decisions=last_versions(_events(path, Decision)),
        notes=last_versions(_events(path, SignalNote)),
        fills=tuple(_events(path, Fill)),
        positions=tuple(_events(path, Position)),
        accounts=tuple(_events(path, Account)),
        strategies=tuple(_events(path, StrategyState)),
        bars=_bars(path / BARS_FILE),
        settings={
            name: msgspec.convert(each, AccountConfig) for name, each in manifest[ACCOUNTS].items()
        },
        listed=_listed(manifest[STRATEGIES]),
        facts=_facts(manifest),
    )


def _events(folder: Path, kind: Any) -> Any:
    return events_in(folder, kind)


def _bars(path: Path) -> BarsOfRun | None:
    if not path.exists():
        return None
    decode = msgspec.json.Decoder(BarLine).decode
    with path.open("rb") as file:
        return bars_of(map(decode, file))


def _listed(strategies: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for each in strategies.values():
        found.setdefault(each["account"], set()).update(each["symbols"])
    return {account: tuple(sorted(symbols)) for account, symbols in found.items()}


def _facts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What was run, and how many records it took."""
    counters = manifest.get(COUNTERS, {})
    return {
        "mode": manifest.get("mode"),
        CODE_VERSION: manifest.get(CODE_VERSION),
        CONFIG_HASH: manifest.get(CONFIG_HASH),
        **{name: counters[name] for name in _SHOWN if name in counters},
        STRATEGIES: manifest[STRATEGIES],
    }
