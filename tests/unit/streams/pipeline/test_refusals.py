"""How many rows a run may refuse, how it ends beyond that, and what to do about each code."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from tapeline.streams.cli import main as cli
from tapeline.streams.feeds.opening import Source
from tapeline.streams.pipeline.refusals import CURES, RejectLimit, RowRefusals, row_report
from tests.house.source_tree import PACKAGES, modules
from tests.unit.streams.embedded.books import CONFIGURATION, acme, log_line, row, run, write


@pytest.mark.parametrize(
    ("text", "refused", "rows", "exceeded"),
    [
        ("50%", 1, 2, False),
        ("50%", 2, 3, True),
        ("0%", 0, 5, False),
        ("0%", 1, 5, True),
        ("0.5%", 1, 200, False),
        ("0.5%", 1, 199, True),
        ("100%", 5, 5, False),
        ("3", 3, 3_000_000, False),
        ("3", 4, 3_000_000, True),
        ("0", 1, 9, True),
    ],
)
def test_a_limit_is_a_number_of_rows_or_a_share_of_all(
    text: str, refused: int, rows: int, exceeded: bool
) -> None:
    limit = RejectLimit.parse(text)
    assert limit.exceeded(refused, rows) is exceeded
    assert str(limit) == text


@pytest.mark.parametrize(
    "text",
    ["", "%", "-1", "-1%", "101%", "100.1%", "1.5", "1e3", "nan", "inf%", "½%", "5 %", "1_0"],
)
def test_what_is_no_limit_is_refused_by_name(
    text: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ["run", "x.csv", "--out", str(tmp_path / "out"), f"--max-rejects={text}"]
    assert cli.main(arguments) == 2
    assert f"--max-rejects {text!r} is neither a number of rows" in capsys.readouterr().err


def test_an_input_of_which_nothing_is_left_is_too_much_beside_any_other() -> None:
    refusals = RowRefusals()
    refusals.add("small.csv", "off_tick")
    report = row_report([("great.csv", 1_000), ("small.csv", 1)], refusals, RejectLimit())
    assert report.exceeded
    assert report.wholly_refused == ("small.csv",)
    assert (
        "1 of 1001 rows (0.1 %) are refused, all of small.csv among them; 1 of them off_tick:"
        in (report.line())
    )


def test_of_codes_that_are_equally_many_the_first_by_name_is_named() -> None:
    refusals = RowRefusals()
    for code in ("schema_error", "off_tick", "bad_price", "off_tick", "schema_error"):
        refusals.add("a.csv", code)
    assert row_report([("a.csv", 9)], refusals, RejectLimit()).code == "off_tick"
    assert RowRefusals.of(refusals.plain()).codes == refusals.codes


CODE_MAKERS = ("RecordRejected", "Refusal", "CodecError")


@pytest.mark.source_tree
def test_every_code_of_a_dead_letter_has_its_cure() -> None:
    found = set()
    for path in modules(*PACKAGES):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            first = node.args[0]
            if name in CODE_MAKERS and isinstance(first, ast.Constant):
                found.add(str(first.value))
    assert {"off_tick", "schema_error", "decode_error", "unknown_symbol"} <= found
    assert found <= CURES.keys()


def command(folder: Path, *arguments: str) -> int:
    """Run the command with the configuration of ACME."""
    (folder / "c.toml").write_text(CONFIGURATION)
    return cli.main(["run", *arguments, "--config", str(folder / "c.toml")])


def test_a_run_beyond_the_limit_does_its_work_and_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.csv", [row(0), row(1, "10.001"), row(2, "10.001"), "oops"])
    out = tmp_path / "out"
    assert command(tmp_path, "--bars", f"ACME={path}", "--out", str(out)) == 1
    shown = capsys.readouterr()
    assert shown.err.splitlines()[-1] == (
        "tapeline: 3 of 4 rows (75.0 %) are refused, more than 50% (--max-rejects); 2 of them"
        f" off_tick: {CURES['off_tick']}"
    )
    assert "4 rows: 1 bars accepted, 3 dead letters." in shown.out
    assert (out / "manifest.json").exists()
    wide = ("--bars", f"ACME={path}", "--out", str(out), "--max-rejects")
    assert command(tmp_path, *wide, "75%") == 0
    assert command(tmp_path, *wide, "3") == 0
    assert command(tmp_path, *wide, "2") == 1
    capsys.readouterr()
    assert command(tmp_path, *wide, "74.9%", "--json") == 1
    refused = json.loads(capsys.readouterr().out)["refused"]
    assert refused == {
        "rows": 4,
        "refused": 3,
        "limit": "74.9%",
        "exceeded": True,
        "code": "off_tick",
        "code_rows": 2,
        "cure": CURES["off_tick"],
        "wholly_refused": [],
        "empty_inputs": [],
    }


def test_rows_that_are_all_refused_are_too_many_for_any_limit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.csv", [row(0, "10.001")])
    arguments = ("--bars", f"ACME={path}", "--out", str(tmp_path / "out"), "--max-rejects", "100%")
    assert command(tmp_path, *arguments) == 1
    assert "1 of 1 rows (100.0 %) are refused; 1 of them off_tick" in capsys.readouterr().err


def test_a_file_without_any_row_ends_with_0_and_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.csv", [])
    for option in ("--out", "--store"):
        assert command(tmp_path, "--bars", f"ACME={path}", option, str(tmp_path / option)) == 0
        assert f"{path}: has no rows" in capsys.readouterr().out.replace("\n", "")


def test_what_is_no_dead_letter_of_a_row_is_no_refusal(tmp_path: Path) -> None:
    """Off session, duplicates, late bars, clocks and what ``--until`` appends."""
    before_open = row(-30)
    table = write(tmp_path / "a.csv", [before_open, row(1), row(1), row(1), row(0)])
    result = run(tmp_path, acme(table), until_ms=10**15)
    assert result.summary.rejects == {"implausible_time": 1}
    assert result.report is not None
    assert (result.report.rows, result.report.refused) == (5, 0)
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join([log_line(0), log_line(5, "clock"), log_line(3, "cancel")]) + "\n")
    result = run(tmp_path, Source(str(log)))
    assert result.report is not None
    assert (result.report.rows, result.report.refused) == (3, 0)


def test_rows_of_a_sorted_log_are_counted_alike(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join([log_line(0), log_line(0), "no", "no", "no"]) + "\n")
    result = run(tmp_path, Source(str(log)), as_corrected=True)
    assert result.report is not None
    assert (result.report.rows, result.report.refused, result.report.exceeded) == (5, 3, True)
