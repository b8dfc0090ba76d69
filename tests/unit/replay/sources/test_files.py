"""Files, stores and run directories replayed: what an embedded run gives, or a part of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tapeline.replay.run import Replay, ReplayOptions
from tapeline.replay.sources.files import FileSource
from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import built_in_config
from tapeline.schemas.records import LogRecord
from tapeline.schemas.topics import output_topics
from tapeline.streams.calendars import load_calendar
from tapeline.streams.cli.main import main
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.opening import Source
from tapeline.streams.feeds.samples import (
    corrections,
    sample_book,
    with_holes,
    with_late_bars,
    write_samples,
)

TOPICS = len(output_topics())


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with sample books of three sessions; the current one."""
    write_samples(tmp_path, 3, 7)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def log_of(records: Sequence[LogRecord], path: Path) -> Path:
    path.write_bytes(b"".join(encode(each) + b"\n" for each in records))
    return path


def troubled() -> list[LogRecord]:
    bars = list(sample_book("ES", load_calendar("CME_EQUITY"), "2025-11-24", 3, 5))
    late = list(with_late_bars(with_holes(bars, 1), 2))
    return [*late[:2_000], *corrections(bars[:1_500], 3), *late[2_000:]]


def write_in_seconds(books: Path) -> None:
    """Write ``s.csv``, the book of ACME with times in seconds."""
    header, *rows = (books / "acme.csv").read_text().splitlines()
    text = "\n".join([header, *(each.replace("000,", ",", 1) for each in rows)])
    (books / "s.csv").write_text(text + "\n")


def tapeline(*arguments: str) -> int:
    return main(list(arguments))


def outputs(folder: Path) -> dict[str, bytes]:
    found = {each.name: each.read_bytes() for each in folder.glob("tape.*.jsonl")}
    assert len(found) == TOPICS
    return found


def manifest(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "manifest.json").read_text())
    return found


BOOKS = ("--bars", "ES=es.csv", "--bars", "NQ=nq.csv", "--bars", "ACME=acme.csv")


def test_books_replayed_are_the_books_run(books: Path) -> None:
    assert tapeline("run", *BOOKS, "--out", "live") == 0
    assert tapeline("replay", *BOOKS, "--out", "again") == 0
    assert outputs(books / "again") == outputs(books / "live")


def test_tables_with_the_newest_row_first_replayed_are_the_sorted_ones_run(books: Path) -> None:
    assert tapeline("run", *BOOKS, "--out", "live") == 0
    for name in ("es.csv", "nq.csv", "acme.csv"):
        header, *rows = (books / name).read_text().splitlines()
        (books / name).write_text("\n".join([header, *rows[::-1]]) + "\n")
    assert tapeline("replay", *BOOKS, "--out", "again") == 0
    assert outputs(books / "again") == outputs(books / "live")
    assert tapeline("run", *BOOKS, "--out", "turned") == 0
    assert outputs(books / "turned") == outputs(books / "live")


def test_a_log_with_corrections_replayed_is_the_log_run_in_both_modes(books: Path) -> None:
    log = str(log_of(troubled(), books / "log.jsonl"))
    for mode in ([], ["--as-corrected"]):
        assert tapeline("run", log, "--out", "live", *mode) == 0
        assert tapeline("replay", log, "--out", "again", *mode) == 0
        assert outputs(books / "again") == outputs(books / "live")


def test_a_stretch_has_the_lines_of_its_records(books: Path) -> None:
    log = str(log_of(troubled(), books / "log.jsonl"))
    assert tapeline("run", log, "--out", "live") == 0
    bounds = ("--from-offset", "700", "--to-offset", "2900")
    assert tapeline("replay", log, "--out", "part", *bounds) == 0
    for name, whole in outputs(books / "live").items():
        if "rejects" in name:
            continue
        lines = whole.splitlines()
        wanted = [each for each in lines if 700 <= json.loads(each)["seq"] // 1_000_000 < 2_900]
        assert outputs(books / "part")[name].splitlines() == wanted
    span = manifest(books / "part")["source"]["partitions"]["0"]  # type: ignore[index]
    assert (span["start"], span["stop"]) == (700, 2_900)


def test_a_store_replayed_has_the_view_of_the_store(
    books: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tapeline("run", *BOOKS, "--store", "store") == 0
    capsys.readouterr()
    assert tapeline("state", "--store", "store", "--json") == 0
    state = capsys.readouterr().out.splitlines()
    assert tapeline("replay", "--store", "store", "--out", "again") == 0
    assert folded(books / "again") == state


def folded(folder: Path) -> list[str]:
    facts: dict[str, str] = {}
    for path in folder.glob("tape.*.jsonl"):
        for line in path.read_text().splitlines():
            event = json.loads(line)
            if event["type"] == "reject":
                continue
            facts.pop(event["id"], None)
            if event["op"] == "upsert":
                facts[event["id"]] = line
    return [facts[each] for each in sorted(facts)]


def test_a_run_directory_is_replayed_from_its_inputs_and_compared(
    books: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tapeline("run", *BOOKS, "--out", "live", "--until", "2025-12-31T00:00Z") == 0
    assert tapeline("replay", "live", "--out", "again") == 0
    assert "equal to the run directory" in capsys.readouterr().out
    assert outputs(books / "again") == outputs(books / "live")
    found = manifest(books / "live")
    found["output_sha256"]["tape.touches.v1"] = "0" * 64  # type: ignore[index]
    (books / "live" / "manifest.json").write_text(json.dumps(found))
    assert tapeline("replay", "live", "--out", "again") == 1
    assert "differs from the run directory in tape.touches.v1." in capsys.readouterr().out
    (books / "es.csv").write_text((books / "es.csv").read_text() + "\n")
    assert tapeline("replay", "live", "--out", "again") == 2
    assert "es.csv: is not the file of that run any more" in capsys.readouterr().err


def test_a_run_whose_symbols_end_at_times_of_their_own_is_replayed_to_the_byte(
    books: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ends = ("--until", "ES=2025-11-21T15:00Z", "--until", "2025-12-31T00:00Z")
    assert tapeline("run", *BOOKS, "--out", "live", *ends) == 0
    assert tapeline("replay", "live", "--out", "again") == 0
    assert "equal to the run directory" in capsys.readouterr().out
    assert outputs(books / "again") == outputs(books / "live")
    assert tapeline("replay", *BOOKS, *ends, "--out", "named") == 0
    assert outputs(books / "named") == outputs(books / "live")
    assert tapeline("replay", "--manifest", "named") == 0
    assert tapeline("run", *BOOKS, "--out", "whole", "--until", "2025-12-31T00:00Z") == 0
    assert outputs(books / "whole") != outputs(books / "live")


def test_the_unit_of_a_run_is_that_of_its_replay(
    books: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_in_seconds(books)
    bars = ("--bars", "ACME=s.csv")
    assert tapeline("run", "--bars", "ACME=acme.csv", "--out", "milliseconds") == 0
    assert tapeline("run", *bars, "--out", "live", "--time-unit", "s") == 0
    assert outputs(books / "live") == outputs(books / "milliseconds")
    assert tapeline("replay", "live", "--out", "again") == 0
    assert outputs(books / "again") == outputs(books / "live")
    assert tapeline("replay", *bars, "--time-unit", "s", "--out", "again") == 0
    assert outputs(books / "again") == outputs(books / "live")
    assert tapeline("replay", "--manifest", "again") == 0
    (books / "live" / "manifest.json").write_text(
        json.dumps({**manifest(books / "live"), "options": {"until_ms": None, "tz": None}})
    )
    assert tapeline("replay", "live", "--out", "other") == 2
    assert "give --time-unit s" in capsys.readouterr().err


async def test_a_replay_in_a_program_takes_the_unit(books: Path) -> None:
    write_in_seconds(books)
    inputs = [("ACME", "s.csv")]
    with pytest.raises(InputError, match="give --time-unit s"):
        async with Replay.files(built_in_config(), inputs):
            pass
    async with Replay.files(built_in_config(), inputs, time_unit="s") as replay:
        events = [event async for event in replay]
    assert len(events) > 100


PARTS = {
    "symbols": ("--symbols", "ES"),
    "groups": ("--groups", "ACME"),
    "offsets": ("--from-offset", "100", "--to-offset", "5000"),
    "an end": ("--to-offset", "5000"),
    "times": ("--from", "2025-11-21"),
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS.keys())
def test_a_part_of_a_run_directory_is_not_compared_with_the_whole(
    books: Path, capsys: pytest.CaptureFixture[str], part: tuple[str, ...]
) -> None:
    assert tapeline("run", *BOOKS, "--out", "live") == 0
    assert tapeline("replay", "live", "--out", "part", *part) == 0
    message = capsys.readouterr().out
    assert "A part of the run was replayed: not compared" in message
    assert "differs" not in message
    # What compares them cuts the whole to the part.
    assert tapeline("parity", "live", "part") == 0


def test_a_run_directory_is_not_compared_with_a_replay_in_another_order(
    books: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = str(log_of(troubled(), books / "log.jsonl"))
    assert tapeline("run", log, "--out", "live") == 0
    assert tapeline("replay", "live", "--out", "again", "--as-corrected") == 0
    message = capsys.readouterr().out
    assert "The run directory is as recorded, the replay as corrected: not compared." in message
    assert tapeline("run", log, "--out", "live", "--as-corrected") == 0
    assert tapeline("replay", "live", "--out", "again", "--as-corrected") == 0
    assert "equal to the run directory" in capsys.readouterr().out


def test_a_run_with_a_clock_for_a_symbol_without_bars_is_replayed_to_the_byte(books: Path) -> None:
    header = (books / "acme.csv").read_text().splitlines()[0]
    (books / "quiet.csv").write_text(header + "\nno bar\n")
    (books / "named.csv").write_text(f"symbol,{header}\nNAMED,soon{',1' * header.count(',')}\n")
    inputs = ("--bars", "ES=es.csv", "--bars", "QUIET=quiet.csv", "named.csv")
    assert tapeline("run", *inputs, "--out", "live", "--until", "2025-12-31T00:00Z") == 1
    assert tapeline("replay", "live", "--out", "again") == 0
    assert outputs(books / "again") == outputs(books / "live")
    counters = manifest(books / "again")["counters"]
    assert set(counters["symbols"]) == {"ES", "NAMED", "QUIET"}  # type: ignore[index]


def test_a_replay_into_the_folder_of_its_own_input_is_refused(
    books: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tapeline("run", *BOOKS, "--out", "live") == 0
    (books / "live.jsonl").symlink_to("live/tape.sessions.v1.jsonl")
    assert tapeline("run", "live.jsonl", "--out", "of-live") == 1
    assert tapeline("replay", "live.jsonl", "--out", "again") == 0
    before = outputs(books / "live")
    capsys.readouterr()
    for arguments in (
        ("live",),
        ("of-live",),
        ("live.jsonl",),
        ("live/tape.gaps.v1.jsonl",),
        ("--manifest", "again"),
        ("live.jsonl", "--processes", "2"),
    ):
        assert tapeline("replay", *arguments, "--out", "live") == 2
        assert "lies in it and would be lost" in capsys.readouterr().err
    assert outputs(books / "live") == before


def test_a_manifest_repeats_a_replay_and_finds_what_is_different(
    books: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stretch = ("--from", "2025-11-25", "--to", "2025-11-25", "--symbols", "ES")
    assert tapeline("replay", *BOOKS, "--out", "run", *stretch) == 0
    assert tapeline("replay", "--manifest", "run") == 0
    found = manifest(books / "run")
    found["output_sha256"]["tape.touches.v1"] = "0" * 64  # type: ignore[index]
    (books / "run" / "manifest.json").write_text(json.dumps(found))
    capsys.readouterr()
    assert tapeline("replay", "--manifest", "run/manifest.json", "--json") == 1
    message = json.loads(capsys.readouterr().out)
    assert message["differences"] == [
        f"output_sha256 tape.touches.v1: then {'0' * 64}, now {now_of(books)}"
    ]


def now_of(books: Path) -> str:
    return hashlib.sha256((books / "run" / "tape.touches.v1.jsonl").read_bytes()).hexdigest()


def test_a_repetition_with_another_configuration_is_refused(
    books: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tapeline("replay", *BOOKS, "--out", "run") == 0
    (books / "other.toml").write_text("[instruments.ES]\nswings = false\n")
    assert tapeline("replay", "--manifest", "run", "--config", "other.toml") == 2
    assert "run: the configuration is another one" in capsys.readouterr().err
    assert tapeline("run", *BOOKS, "--out", "live") == 0
    capsys.readouterr()
    assert tapeline("replay", "live", "--out", "again", "--config", "other.toml") == 2
    message = capsys.readouterr().err
    assert "live: the configuration is another one" in message
    assert str(manifest(books / "live")["config_hash"])[:12] in message
    assert not (books / "again").exists()


STRETCHES = {
    "all": (),
    "two days": ("--from", "2025-11-21", "--to", "2025-11-22T00:00Z"),
    "after a warm-up": ("--from", "2025-11-24", "--warmup-sessions", "1"),
    "as corrected": ("--as-corrected",),
}


@pytest.mark.parametrize("stretch", STRETCHES.values(), ids=STRETCHES.keys())
def test_a_store_that_has_grown_repeats_a_run_and_one_that_was_altered_does_not(
    books: Path, capsys: pytest.CaptureFixture[str], stretch: tuple[str, ...]
) -> None:
    assert tapeline("run", "--bars", "ES=es.csv", "--store", "store") == 0
    assert tapeline("replay", "--store", "store", "--out", "run", *stretch) == 0
    assert tapeline("run", "--bars", "NQ=nq.csv", "--store", "store") == 0
    capsys.readouterr()
    assert tapeline("replay", "--manifest", "run") == 0
    assert capsys.readouterr().out.startswith("Equal: outputs, input, ")
    log = books / "store" / "log.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    at = manifest(books / "run")["source"]["partitions"]["0"]["read_from"] + 7  # type: ignore[index]
    # The close of a bar inside a window of five minutes is in no output.
    bar = json.loads(lines[at])
    bar["close"] = bar["low"] if bar["close"] != bar["low"] else bar["high"]
    lines[at] = json.dumps(bar, separators=(",", ":")).encode() + b"\n"
    log.write_bytes(b"".join(lines))
    assert tapeline("replay", "--manifest", "run") == 1
    assert capsys.readouterr().out.startswith("input_sha256 0: then ")


def test_a_manifest_that_names_no_hash_of_a_store_is_not_reported_to_have_its_input(
    books: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tapeline("run", "--bars", "ES=es.csv", "--store", "store") == 0
    assert tapeline("replay", "--store", "store", "--out", "run") == 0
    found = {**manifest(books / "run"), "input_sha256": {}}
    (books / "run" / "manifest.json").write_text(json.dumps(found))
    capsys.readouterr()
    assert tapeline("replay", "--manifest", "run") == 0
    message = capsys.readouterr().out
    assert message.startswith("Equal: outputs, calendars and time zones")
    assert "does not record what the log was" in message


def test_without_a_folder_the_events_are_printed_in_their_order(
    books: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert tapeline("replay", "--bars", "ES=es.csv", "--to", "2025-11-24") == 0
    lines = capfdbinary.readouterr().out.splitlines()
    found = [json.loads(line)["seq"] for line in lines]
    assert found == sorted(found)
    assert len(found) > 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere.csv",), "nowhere.csv"),
        (("es.csv", "--store", "store"), "name one of them"),
        (("--bars", "ES=es.csv", "--from", "2025-11-25", "--from-offset", "5"), "name one of them"),
        (("--bars", "ES=es.csv", "--groups", "ES-XX", "--config", "es.toml"), "is not configured"),
        (("--manifest", "nowhere.json"), "nowhere.json: is not there"),
        (("--store", "nowhere"), "is no store"),
    ],
)
def test_what_cannot_be_replayed_is_a_usage_error(
    books: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    (books / "es.toml").write_text("[instruments]\ndefault = false\n")
    assert tapeline("replay", *arguments, "--out", "out") == 2
    assert message in capsys.readouterr().err
    assert not (books / "out").exists()


async def test_files_do_not_grow_and_are_not_followed(books: Path) -> None:
    source = FileSource(built_in_config(), [Source("es.csv", "ES")])
    with pytest.raises(InputError, match="files do not grow"):
        async with Replay(built_in_config(), source, ReplayOptions(follow=True)):
            pass
