"""The order of a table's rows means nothing: any of them gives the result of the sorted table."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapeline.schemas.config.loading import read_config
from tapeline.streams.embedded import run_files
from tapeline.streams.feeds import opening as inputs
from tapeline.streams.feeds.opening import Source
from tapeline.streams.feeds.sorting import MEMORY_BYTES
from tapeline.streams.pipeline.refusals import RejectLimit
from tapeline.streams.store.run import StoreOptions, run_into_store

MINUTE_MS = 60_000
MONDAY_MS = 1_763_994_600_000
"""2025-11-24 09:30 in New York."""
CONFIG = read_config(
    """\
[instruments.A]
tick = 0.01
calendar = "XNYS"
[instruments.B]
tick = 0.01
calendar = "24/7"
base = "5m"
horizon_sessions = 1
""",
    "tapeline.toml",
)
ANY = RejectLimit(Decimal(100), percent=True)
COLUMNS = "start_ms,open,high,low,close,volume,symbol"
REFUSED = ("soon,1,1,1,1,1,A", f"{MONDAY_MS},1,x,1,1,1,B", "1,2", f"{MONDAY_MS + 1},1,1,1,1,1,A")

Row = tuple[int | None, str]
"""End of the bar, or None where the row cannot be read; the row."""


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    """Rows over several sessions in any order; slots come twice, also with other prices."""
    random = Random(draw(st.integers(0, 9_999)))
    rows: list[Row] = []
    for _ in range(draw(st.integers(1, 120))):
        price = random.choice((10, 11, 12))
        symbol, step = random.choice((("A", 1), ("B", 5)))
        minute = step * random.randrange(0, 4 * 1440 // step, random.choice((1, 30)))
        start = MONDAY_MS + minute * MINUTE_MS
        text = f"{start},{price},{price},{price},{price},5,{symbol}"
        rows.append((start + step * MINUTE_MS, text))
        if random.random() < 0.1:
            text = random.choice(REFUSED)
            end = MONDAY_MS + 1 + MINUTE_MS if text == REFUSED[-1] else None
            rows.append((end, text))
        if random.random() < 0.1:
            rows.append(random.choice(rows))
    how = draw(st.sampled_from(("newest first", "shuffled", "as drawn")))
    if how == "newest first":
        rows.sort(key=lambda row: -(row[0] or 0))
    elif how == "shuffled":
        random.shuffle(rows)
    return rows


def sorted_stably(rows: list[Row]) -> list[str]:
    """The rule once more: an unreadable row has the end of the row before it."""
    ends: list[int] = []
    for end, _ in rows:
        ends.append(end if end is not None else ends[-1] if ends else 0)
    return [rows[at][1] for at in sorted(range(len(rows)), key=ends.__getitem__)]


def written(folder: Path, rows: list[str], store: bool) -> dict[str, list[str]]:
    """Lines of a run's files; dead letters without the number of their row."""
    folder.mkdir()
    table = folder / "book.csv"
    table.write_text("\n".join([COLUMNS, *rows]) + "\n")
    workdir = folder / "out"
    if store:
        result = run_into_store(
            CONFIG, [Source(str(table))], workdir, StoreOptions(max_rejects=ANY)
        )
        assert result.rows == len(rows)
        paths = [workdir / "log.jsonl", *(workdir / "topics").iterdir()]
    else:
        manifest = run_files(CONFIG, [Source(str(table))], workdir).manifest
        assert manifest["counters"]["rows"] == len(rows)
        assert manifest["counters"]["late"] == 0
        paths = list(workdir.glob("*.jsonl"))
    return {
        path.name: [_without_number(line, table) for line in path.read_text().splitlines()]
        for path in paths
    }


def _without_number(line: str, table: Path) -> str:
    """A line, in which the numbers of rows are after the name of the file."""
    first, *others = line.split(f"{table}:")
    return first + "".join(other.lstrip("0123456789") for other in others)


@pytest.mark.parametrize("store", [False, True], ids=["run", "store"])
@pytest.mark.parametrize("memory", [MEMORY_BYTES, 4_000], ids=["in memory", "in runs"])
@given(rows=tables())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_of_the_rows_gives_the_result_of_the_sorted_table(
    monkeypatch: pytest.MonkeyPatch, rows: list[Row], memory: int, store: bool
) -> None:
    with tempfile.TemporaryDirectory() as name, monkeypatch.context() as patched:
        expected = written(Path(name) / "sorted", sorted_stably(rows), store)
        patched.setattr(inputs, "MEMORY_BYTES", memory)
        found = written(Path(name) / "given", [text for _, text in rows], store)
    assert found == expected
