"""What inputs expand to in memory: refused with the limit's name, before anything is written."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest
from pyarrow.parquet import write_table

from tapeline.streams.cli.main import main
from tests.unit.streams.embedded.books import MINUTE_MS, OPEN_MS, log_line

LIMIT_MIB = 64
CONFIG = f"[limits]\ninput_mib = {LIMIT_MIB}\n"
PEAK_MIB = """
def peak_mib():
    # Not that of getrusage: it also counts what the process was forked from.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024
"""
MEASURED = f"""
import sys
{PEAK_MIB}
from tapeline.streams.cli.main import main
code = main(sys.argv[1:])
print(peak_mib(), file=sys.stderr)
sys.exit(code)
"""
ROWS = 16_384
PRICES = ("open", "high", "low", "close")
COLUMNS = ("time", *PRICES)
HEADER = ",".join(COLUMNS).encode()
MEMBER = 1 << 20


def times(rows: int) -> pyarrow.Array:
    return pyarrow.array([OPEN_MS + number * MINUTE_MS for number in range(rows)])


def one_text_in_every_row(folder: Path) -> Path:
    """A value is written once, and 16,384 rows have it."""
    path = folder / "texts.parquet"
    digits = pyarrow.array(["9" * (LIMIT_MIB << 20 >> 10)])
    text = digits.dictionary_encode().take(pyarrow.array([0] * ROWS))
    columns = [times(ROWS), text, *[pyarrow.array([1.0] * ROWS)] * 3]
    write_table(pyarrow.table(dict(zip(COLUMNS, columns, strict=True))), path, compression="zstd")
    return path


def one_row_group_of_equal_rows(folder: Path) -> Path:
    """Runs of equal numbers are written as their length."""
    path = folder / "rows.parquet"
    columns = [pyarrow.array([OPEN_MS] * MEMBER), *[pyarrow.array([1.0] * MEMBER)] * 4]
    part = pyarrow.table(dict(zip(COLUMNS, columns, strict=True)))
    parts = (LIMIT_MIB << 20) // (8 * len(COLUMNS) * MEMBER) + 1
    table = pyarrow.concat_tables([part] * parts)
    write_table(table, path, compression="zstd", row_group_size=len(table))
    assert path.stat().st_size < MEMBER
    return path


def one_line(name: str, before: bytes, after: bytes = b"") -> Callable[[Path], Path]:
    def written(folder: Path) -> Path:
        path = folder / name
        member = gzip.compress(b"9" * MEMBER, 1)
        path.write_bytes(gzip.compress(before) + member * (LIMIT_MIB + 1) + gzip.compress(after))
        return path

    return written


FILES = {
    "one text in every row of Parquet": (one_text_in_every_row, "row group 0"),
    "Parquet with one row group of equal rows": (one_row_group_of_equal_rows, "row group 0"),
    "gzip with one line": (one_line("book.csv.gz", HEADER + b"\n1,"), "line 2"),
    "gzip with one line for a header": (one_line("head.csv.gz", b""), "line 1"),
    "gzip with one line among others": (one_line("b.csv.gz", HEADER + b"\n1,", b"\n1,1"), "line 2"),
    "log with one line": (one_line("log.jsonl.gz", log_line(0).encode() + b"\n"), "line 2"),
}


@pytest.mark.parametrize("to", ["--out", "--store"])
@pytest.mark.parametrize(("make", "piece"), FILES.values(), ids=FILES.keys())
def test_what_expands_beyond_the_limit_is_refused_by_its_name_in_little_memory(
    tmp_path: Path, make: Callable[[Path], Path], piece: str, to: str
) -> None:
    path = make(tmp_path)
    (tmp_path / "small.toml").write_text(CONFIG)
    named = [str(path)] if ".jsonl" in path.name else ["--bars", f"ACME={path}"]
    command = ["run", *named, "--config", str(tmp_path / "small.toml"), to, str(tmp_path / "x")]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command], capture_output=True, text=True, check=False
    )
    printed, peak = done.stderr.splitlines()
    assert done.returncode == 2
    assert f"{path}: {piece} expands to " in printed
    assert "[limits] input_mib" in printed
    assert not (tmp_path / "x").exists()
    assert int(peak) < 250


@pytest.mark.parametrize(("make", "piece"), FILES.values(), ids=FILES.keys())
def test_every_command_that_reads_files_knows_the_limit(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    make: Callable[[Path], Path],
    piece: str,
) -> None:
    path = make(tmp_path)
    (tmp_path / "small.toml").write_text(CONFIG)
    log = ".jsonl" in path.name
    named = [str(path)] if log else ["--bars", f"ACME={path}"]
    replayed = ["replay", *named, "--config", str(tmp_path / "small.toml")]
    assert main([*replayed, "--out", str(tmp_path / "x")]) == 2
    assert f"{path}: {piece} expands to " in capsys.readouterr().err
    if not log:
        # Whether there is a broker does not matter: a log is known to be too long when it is read.
        published = ["publish", *named, "--config", str(tmp_path / "small.toml")]
        assert main([*published, "--bootstrap", "127.0.0.1:9"]) == 2
        assert f"{path}: {piece} expands to " in capsys.readouterr().err


def test_texts_that_are_repeated_are_held_once(tmp_path: Path) -> None:
    path = one_text_in_every_row(tmp_path)
    program = f"""
import sys
{PEAK_MIB}
from tapeline.streams.feeds.parquet_feed import ParquetFeed
from tapeline.streams.feeds.times import TableTimes
feed = ParquetFeed(sys.argv[1], "ACME", lambda _: "1m", TableTimes(), 2048)
print(sum(len(row[1]) for _, row, _ in feed))
print(peak_mib())
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    together, peak = map(int, done.stdout.split())
    assert together == ROWS * (LIMIT_MIB << 20 >> 10)
    assert peak < 250


def test_a_column_of_lists_is_refused_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lists.parquet"
    columns = [times(1), pyarrow.array([[1.0] * 9]), *[pyarrow.array([1.0])] * 3]
    write_table(pyarrow.table(dict(zip(COLUMNS, columns, strict=True))), path)
    assert main(["run", "--bars", f"ACME={path}", "--out", str(tmp_path / "x")]) == 2
    assert f"{path}: column open has no single value a row" in capsys.readouterr().err
