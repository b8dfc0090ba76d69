"""The final bars of the independent provider as files, and what it stated as values of a log."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tapeline.streams.store.reading import StoreReader
from tests.live.provider import DESK, SECRETS, SLOW, Provider, Row

FIELDS = ("symbol", "start_ms", "open", "high", "low", "close", "volume")


def sessions(provider: Provider) -> list[str]:
    """Dates that the provider traded on."""
    assert provider.tape.last is not None
    ends = (provider.tape.first, provider.tape.last)
    return sorted({datetime.fromtimestamp(each, UTC).date().isoformat() for each in ends})


def final_files(place: Path, provider: Provider, store: Path) -> tuple[list[str], str]:
    """Arguments of a run over the final bars, and a log of the times that a store has reached."""
    words: list[str] = []
    clocks: list[str] = []
    for symbol in (*DESK, *SLOW):
        with StoreReader(store) as reader:
            reached_ms = reader.progress(symbol)[1][symbol]
        rows = provider.tape.final(symbol)
        assert reached_ms is not None
        assert reached_ms >= (rows[-1].second + 1) * 1_000
        path = place / f"{symbol}.csv"
        with path.open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(("start_ms", "open", "high", "low", "close", "volume"))
            table.writerows((row.second * 1_000, *_numbers(row)) for row in rows)
        words += ["--bars", f"{symbol}={path}"]
        clocks.append(json.dumps({"type": "clock", "symbol": symbol, "time_ms": reached_ms}))
    path = place / "clocks.jsonl"
    path.write_text("\n".join(clocks) + "\n")
    return words, str(path)


def _numbers(row: Row) -> tuple[str, ...]:
    """Prices and volume, as this provider writes them."""
    prices = tuple(f"{cents / 100:.2f}" for cents in (row.open, row.high, row.low, row.close))
    return (*prices, f"{row.lots / 100:.2f}" if row.symbol in DESK else str(row.lots))


def never_stated(records: Iterable[Mapping[str, Any]], provider: Provider) -> list[Any]:
    """Bars of a log that the provider never stated so."""
    stated = {
        (row.symbol, row.second * 1_000, *(float(text) for text in _numbers(row)))
        for row in provider.stated
    }
    bars = [tuple(each[name] for name in FIELDS) for each in records if each["type"] == "bar"]
    assert bars
    return [bar for bar in bars if bar not in stated]


def with_secrets(files: Iterable[Path]) -> list[Path]:
    """Files that hold a secret."""
    secrets = [secret.encode() for secret in SECRETS]
    held = ((path, path.read_bytes()) for path in files if path.is_file())
    return [path for path, data in held if any(secret in data for secret in secrets)]
