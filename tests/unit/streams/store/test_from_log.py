"""A store made again from its log: what it was, whatever had become of the rest of it."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.streams.cli import main as cli
from tapeline.streams.store.checkpoint import FORMAT
from tapeline.streams.store.from_log import STEP_RECORDS, MadeAgain, make_again
from tapeline.streams.store.keeper import LEAST_AGAIN
from tapeline.streams.store.layout import StoreDamagedError, StoreError
from tapeline.streams.store.reading import StoreReader
from tests.unit.streams.store.killing import Kill, run_until_killed
from tests.unit.streams.store.stores import (
    CONFIGURATION,
    OPEN_MS,
    contents,
    folded,
    full_view,
    label,
    letters,
    load,
    log_lines,
    row,
    view,
    walk,
    write,
)

STEP = 100
OLD_STORE = Path(__file__).parents[3] / "data" / "version_0.1" / "store.tar.xz"
CONFIG = read_config(CONFIGURATION, "test")
DELIVERY = {"tape.rejects.v1.jsonl"}


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a past: late, changed and cancelled bars, inside and beyond the horizon."""
    workdir = tmp_path_factory.mktemp("lived")
    store = workdir / "S"
    first = write(workdir / "a.csv", *(walk(day, step=2) for day in range(5)), extra=("nonsense",))
    other = write(workdir / "b.csv", *(walk(day, step=2, seed=3) for day in range(4)))
    load(store, ("A", first), ("B", other))
    late = write(workdir / "late.csv", {label(4, 101): row(label(4, 101), 12)})
    load(store, ("A", late))
    old = {label(0, 100): row(label(0, 100), 77)}
    changed = write(
        workdir / "old.csv", old, {label(4, 50): row(label(4, 50), 11)}, walk(5, step=2)
    )
    result = load(store, ("A", changed))
    assert result.counts.rebuilt == ["pair"]
    less = walk(0, step=2) | old
    del less[label(0, 200)], less[label(0, 202)]
    result = load(store, ("A", write(workdir / "less.csv", less)), replace=True)
    assert result.counts.rows["cancelled"] == 2
    load(store, ("B", write(workdir / "more.csv", walk(4, step=2, seed=3))), until_ms=label(6, 30))
    assert view(store) == folded(store)
    return store


@pytest.fixture
def store(lived: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(lived, tmp_path / "S")
    return tmp_path / "S"


def again(
    folder: Path, toml: str = CONFIGURATION, step: int = STEP_RECORDS, least: int = LEAST_AGAIN
) -> MadeAgain:
    """Make a store again; its topics leave its view, and a fresh run leaves the same one."""
    result = make_again(read_config(toml, "test"), folder, step_records=step, least_again=least)
    assert folded(folder) == view(folder)
    fresh = folder.with_name("fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    load(fresh, ("", folder / "log.jsonl"), toml=toml)
    assert view(fresh) == view(folder)
    return result


@pytest.mark.parametrize("step_records", [STEP, 20_000])
def test_it_is_the_store_that_it_was_to_the_byte(
    lived: Path, store: Path, step_records: int
) -> None:
    result = again(store, step=step_records)
    assert contents(store) == contents(lived)
    assert full_view(store) == full_view(lived)
    assert (result.records, result.appended) == (len(log_lines(store)), 0)
    assert result.counts.rebuilt == ["pair", "pair"]
    assert result.counts.rows["idle"] == 2
    more = [("A", write(store.with_name("a.csv"), walk(6, step=2)))]
    shutil.copytree(lived, store.with_name("T"))
    for folder in (store, store.with_name("T")):
        load(folder, *more)
    assert contents(store) == contents(store.with_name("T"))


def _lose(*names: str) -> Callable[[Path], None]:
    def lose(store: Path) -> None:
        for name in names:
            path = store / name
            if path.is_dir():
                shutil.rmtree(path)
            for each in path.parent.glob(path.name):
                each.unlink()

    return lose


LOSSES = {
    "nothing": _lose(),
    "the state": _lose("state"),
    "the topics": _lose("topics"),
    "the lock": _lose("lock"),
    "all but the log": _lose("state", "topics", "lock"),
    "the tables of the database": _lose("state/*.sst"),
    "the list of its files": _lose("state/CURRENT"),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
def test_it_is_made_again_whatever_was_lost_beside_the_log(
    lived: Path, store: Path, loss: Callable[[Path], None]
) -> None:
    loss(store)
    again(store)
    known, found = contents(lived), contents(store)
    if (store / "topics" / "tape.rejects.v1.jsonl").exists():
        assert found == known
    else:
        # Rows that were refused are in no log.
        assert found == {name: known[name] for name in known if name not in DELIVERY}


def test_dead_letters_stay_and_are_not_written_twice(store: Path) -> None:
    path = store / "topics" / "tape.rejects.v1.jsonl"
    kept = path.read_bytes()
    path.write_bytes(b"no letter\n" + kept)
    again(store)
    assert path.read_bytes() == kept
    workdir = store.with_name("lived")
    workdir.mkdir()
    first = write(workdir / "a.csv", walk(0, step=2), extra=("nonsense",))
    for _ in range(2):
        load(store, ("A", first))
        assert len(letters(store)) == len(kept.splitlines()) + 1
    again(store)
    load(store, ("A", first))
    assert len(letters(store)) == len(kept.splitlines()) + 1


def test_a_record_that_is_refused_today_keeps_its_offset_and_is_a_dead_letter(
    tmp_path: Path,
) -> None:
    daily = CONFIGURATION.replace("XNYS", "24/7")
    book = write(tmp_path / "a.csv", walk(0), walk(1))
    early = write(
        tmp_path / "early.csv", {start: row(start, 10) for start in range(0, 600_000, 60_000)}
    )
    store = tmp_path / "S"
    for _ in range(2):
        files = [("A", book), ("B", book), ("A", early), ("B", early)]
        for each in files:
            load(store, each, toml=daily + '[time]\nearliest = "1969-01-01"\n')
    before = log_lines(store)
    refused = [
        number for number, each in enumerate(before, 1) if each.get("start_ms", OPEN_MS) < OPEN_MS
    ]
    assert len(refused) == 20
    result = again(store, daily)
    assert log_lines(store) == before
    assert result.counts.rows["rejected"] == 20
    assert result.counts.rejects["implausible_time"][:2] == (20, f"log.jsonl:{refused[0]}")
    sources = [f"log.jsonl:{number}" for number in refused]
    assert [each["source"] for each in letters(store)] == sources
    again(store, daily)
    assert [each["source"] for each in letters(store)] == sources
    assert load(store, ("A", book), toml=daily).counts.rows["duplicate"] == 780


def test_a_store_that_lost_its_state_is_not_filled_under_settings_that_refuse_its_log(
    store: Path, tmp_path: Path
) -> None:
    shutil.rmtree(store / "state")
    toml = CONFIGURATION + '[time]\nearliest = "2025-07-10"\n'
    with pytest.raises(StoreError, match=r"jsonl:1: is refused now .*implausible_time.*--rebuild"):
        load(store, ("B", write(tmp_path / "b.csv", walk(6))), toml=toml)


def test_another_configuration_is_taken(store: Path) -> None:
    again(store, CONFIGURATION.replace("horizon_sessions = 2", "horizon_sessions = 5"))
    again(store, CONFIGURATION.replace('ranges = ["prior_session"]', "ranges = []"))


def test_corrections_that_cost_too_much_are_left_to_one_rebuild_at_the_end(store: Path) -> None:
    lines = (store / "log.jsonl").read_text().splitlines()
    # Without the clocks that mark where groups were run again.
    kept = [line for line in lines if '"clock"' not in line]
    (store / "log.jsonl").write_text("".join(line + "\n" for line in kept))
    shutil.rmtree(store / "state")
    result = again(store, least=1)
    assert (result.counts.rebuilt, result.appended) == (["pair"], 1)
    assert [each["type"] for each in log_lines(store)][-1:] == ["clock"]
    before = contents(store)
    assert again(store, least=1).appended == 0
    assert contents(store) == before


Damage = Callable[[list[bytes]], list[bytes]]
DAMAGES: dict[str, Damage] = {
    "a line that is none": lambda lines: [*lines[:7], b"{", *lines[8:]],
    "a byte": lambda lines: [*lines[:7], lines[7].replace(b'"1m"', b'"2m"'), *lines[8:]],
    "another price": lambda lines: [*lines[:7], lines[7].replace(b"10.", b"11."), *lines[8:]],
    "an end that is missing": lambda lines: lines[:-1],
    "an empty line": lambda lines: [*lines[:7], b"", *lines[7:]],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_log_is_refused_and_nothing_is_thrown_away(store: Path, damage: Damage) -> None:
    log = store / "log.jsonl"
    log.write_bytes(b"".join(line + b"\n" for line in damage(log.read_bytes().splitlines())))
    before = contents(store), full_view(store)
    with pytest.raises(StoreDamagedError, match=r"log\.jsonl.*backup"):
        make_again(CONFIG, store)
    assert (contents(store), full_view(store)) == before
    with StoreReader(store) as reader, pytest.raises(StoreDamagedError, match=r"log\.jsonl"):
        reader.check_log()


def test_the_line_of_the_log_that_is_none_is_named(store: Path) -> None:
    lines = (store / "log.jsonl").read_bytes().splitlines()
    lines[7] = b"{"
    (store / "log.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    with pytest.raises(StoreDamagedError, match=r"log\.jsonl:8: is no record"):
        make_again(CONFIG, store)
    shutil.rmtree(store / "state")
    with pytest.raises(StoreDamagedError, match=r"log\.jsonl:8: is no record"):
        load(store, ("A", write(store.with_name("a.csv"), walk(0))))


def test_a_line_that_a_kill_tore_is_cut_and_reported(lived: Path, store: Path) -> None:
    with (store / "log.jsonl").open("ab") as file:
        file.write(b'{"type":"bar","sym')
    assert again(store).torn
    assert contents(store) == contents(lived)


POINTS = ("before_log", "after_log", "after_outputs", "after_state")
KILLS = [Kill(point, nth) for point in POINTS for nth in (1, 3, 6)]
KILLS += [Kill("after_outputs", nth, torn=nth) for nth in (1, 4)]
KILLS += [Kill("", seconds=0.02 + 0.04 * number) for number in range(6)]


def _name(kill: Kill) -> str:
    if kill.seconds:
        return f"{kill.seconds:.2f}s"
    return f"{kill.point}-{kill.nth}" + ("" if kill.torn is None else "-torn")


def test_one_that_was_killed_while_it_threw_the_state_away_is_gone_on_with(
    lived: Path, store: Path, tmp_path: Path
) -> None:
    assert run_until_killed(store, [], {"step_records": STEP}, Kill("after_state", 4))
    assert any((store / "state").glob("*.log"))
    (store / "state" / "CURRENT").unlink()
    load(store, ("A", write(tmp_path / "a.csv", walk(0, minutes=1))))
    assert contents(store) == contents(lived)


def _shown(store: Path) -> object:
    try:
        return full_view(store)
    except (StoreError, StoreDamagedError, OSError) as error:
        return "refused" if "--rebuild" in str(error) else error


@pytest.mark.parametrize("kill", KILLS, ids=_name)
def test_one_that_was_killed_is_repeated_or_gone_on_with(
    lived: Path, store: Path, tmp_path: Path, kill: Kill
) -> None:
    options = {"step_records": STEP}
    killed = run_until_killed(store, [], options, kill)
    assert killed or kill.seconds
    if killed:
        assert _shown(store) in (full_view(lived), "refused")
        shutil.copytree(store, tmp_path / "T")
        load(tmp_path / "T", ("A", write(tmp_path / "a.csv", walk(0, minutes=1))))
        assert contents(tmp_path / "T") == contents(lived)
        assert full_view(tmp_path / "T") == full_view(lived)
    make_again(CONFIG, store)
    assert contents(store) == contents(lived)
    assert full_view(store) == full_view(lived)


@pytest.fixture
def old_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store that version 0.1 wrote: bytes, with a rebuild, a dead letter and a clock."""
    with tarfile.open(OLD_STORE) as archive:
        archive.extractall(tmp_path, filter="data")
    (tmp_path / "tapeline.toml").write_text(CONFIGURATION)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "store"


def test_a_store_of_version_0_1_is_refused_and_made_again(
    old_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(Path("a.csv"), walk(6))
    before = contents(old_store)
    for arguments in (
        ["run", "--bars", "A=a.csv", "--store", "store"],
        ["state", "--store", "store"],
        ["gaps", "--store", "store"],
        ["tail", "ranges", "--store", "store"],
        ["replay", "--store", "store", "--out", "run"],
    ):
        assert cli.main(arguments) == 2
        assert f"format 1, this version reads {FORMAT}; make it again" in capsys.readouterr().err
    assert contents(old_store) == before
    assert cli.main(["run", "--store", "store", "--rebuild", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"]["total"], found["rows"]["rejected"]) == (len(log_lines(old_store)), 0)
    assert found["rebuilt"] == ["pair"]
    assert contents(old_store)["log.jsonl"] == before["log.jsonl"]
    assert contents(old_store)["tape.rejects.v1.jsonl"] == before["tape.rejects.v1.jsonl"]
    again(old_store)
    assert cli.main(["run", "--bars", "A=a.csv", "--store", "store"]) == 0


USAGE = {
    "without a store": ["run", "--rebuild"],
    "with files": ["run", "a.csv", "--store", "S", "--rebuild"],
    "with an output": ["run", "--store", "S", "--out", "x", "--rebuild"],
    "with another option": ["run", "--store", "S", "--replace", "--rebuild"],
    "of a folder that is none": ["run", "--store", "nowhere", "--rebuild"],
    "of a folder with other things": ["run", "--store", ".", "--rebuild"],
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE.keys())
def test_wrong_usage_ends_with_2_and_makes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    (tmp_path / "a.csv").write_text("x")
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert os.listdir() == ["a.csv"]


def test_a_store_that_was_made_again_reports_it(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (store.parent / "tapeline.toml").write_text(CONFIGURATION)
    monkeypatch.chdir(store.parent)
    assert cli.main(["run", "--store", "S", "--rebuild"]) == 0
    shown = capsys.readouterr().out
    assert f"{len(log_lines(store))} records of the log: " in shown
    assert "Store: S, made again from its log" in shown
