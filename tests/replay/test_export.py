"""Events of every type as data frames of both libraries."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from replay import Replay
from replay.export import columns, events_in, to_pandas, to_polars
from schemas.config import built_in_config
from schemas.documents import EVENT_STRUCTS
from schemas.event_examples import EXAMPLES
from schemas.events import Output, Pair, Range, Reject, Retract, Session, Swing, Touch
from streams.embedded import run_files
from streams.inputs import Source
from streams.samples import write_samples


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of sample books with corrections."""
    folder = tmp_path_factory.mktemp("run")
    write_samples(folder, 4)
    books = [Source(str(folder / f"{each.lower()}.csv"), each) for each in ("ES", "NQ")]
    late = Source(str(folder / "es-corrections.csv"), "ES")
    run_files(built_in_config(), [*books, late], folder / "out")
    return folder / "out"


def lines_of(run: Path, topic: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / f"tape.{topic}.v1.jsonl").read_bytes().splitlines()]
