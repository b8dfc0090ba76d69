"""The folder of a run: all of it or nothing, and no other program's files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tapeline.schemas.events import Reject
from tapeline.schemas.topics import output_topics
from tapeline.streams.outputs.run_folder import (
    FLUSH_EVENTS,
    LARGE_LETTER,
    ForeignFolderError,
    RunDirectory,
    check_outside,
)
from tapeline.streams.pipeline.manifest import OUTPUT_SHA256

MANIFEST: dict[str, Any] = {OUTPUT_SHA256: {}}


def _no_count(_: Sequence[Any]) -> None:
    """Count nothing."""


def _letter(raw: str = "") -> Reject:
    return Reject("reject|book.csv:2", "schema_error", "odd", "book.csv:2", raw, None)


def _write_run(
    folder: Path,
    letters: int = 1,
    mark: str = "first",
    before_commit: Callable[[], object] = lambda: None,
) -> None:
    with RunDirectory(folder, _no_count) as directory:
        for _ in range(letters):
            directory.files.write_letter(_letter())
        written = directory.finish()
        before_commit()
        directory.commit({**MANIFEST, **written, "mark": mark})


def _interrupted() -> None:
    raise KeyboardInterrupt


def _disk_full() -> None:
    raise OSError("full")


def _mark(folder: Path) -> str:
    found: str = json.loads((folder / "manifest.json").read_text())["mark"]
    return found


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_every_topic_has_a_file_also_where_it_is_empty(tmp_path: Path) -> None:
    with RunDirectory(tmp_path / "out", _no_count) as directory:
        directory.files.write_letter(_letter())
        counts, hashes = directory.files.finish()
        directory.commit(MANIFEST)
    assert _names(tmp_path / "out") == sorted(
        ["bars.jsonl", "manifest.json", *(f"{name}.jsonl" for name in output_topics())]
    )
    for name in output_topics():
        content = (tmp_path / "out" / f"{name}.jsonl").read_bytes()
        assert counts[name] == content.count(b"\n") == (name == "tape.rejects.v1")
        assert hashes[name] == hashlib.sha256(content).hexdigest()


def test_all_events_reach_the_file_and_the_count(tmp_path: Path) -> None:
    counted: list[Reject] = []
    with RunDirectory(tmp_path / "out", counted.extend) as directory:
        letters = [_letter(str(number)) for number in range(2 * FLUSH_EVENTS + 1)]
        for letter in letters:
            directory.files.write_letter(letter)
        directory.files.finish()
        directory.commit(MANIFEST)
    assert counted == letters
    lines = (tmp_path / "out" / "tape.rejects.v1.jsonl").read_text().splitlines()
    assert [json.loads(line)["raw"] for line in lines] == [letter.raw for letter in letters]


def test_a_large_dead_letter_does_not_wait_in_memory(tmp_path: Path) -> None:
    counted: list[Reject] = []
    with RunDirectory(tmp_path / "out", counted.extend) as directory:
        directory.files.write_letter(_letter("small"))
        assert counted == []
        directory.files.write_letter(_letter("9" * LARGE_LETTER))
        assert len(counted) == 2


def test_whatever_ends_a_run_early_leaves_no_trace_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "deep" / "out"
    with pytest.raises(KeyboardInterrupt):
        _write_run(folder, before_commit=_interrupted)
    assert _names(tmp_path) == []


def test_an_earlier_run_survives_a_failure_and_falls_to_a_success(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    _write_run(folder)
    with pytest.raises(OSError, match="full"):
        _write_run(folder, mark="failed", before_commit=_disk_full)
    assert (_mark(folder), _names(tmp_path)) == ("first", ["out"])
    _write_run(folder, letters=0, mark="second")
    assert (_mark(folder), _names(tmp_path)) == ("second", ["out"])
    assert (folder / "tape.rejects.v1.jsonl").read_bytes() == b""


def test_a_run_that_cannot_be_moved_leaves_the_earlier_one_there(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    _write_run(folder)
    in_the_way = tmp_path / ".out.tapeline-old"

    def block() -> None:
        in_the_way.mkdir()
        (in_the_way / "file").write_text("in the way")

    with pytest.raises(OSError, match="not empty"):
        _write_run(folder, mark="failed", before_commit=block)
    assert _mark(folder) == "first"


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    part = tmp_path / ".out.tapeline-part"
    part.mkdir()
    (part / "tape.gaps.v1.jsonl").write_text("half a li")
    _write_run(folder)
    assert _names(tmp_path) == ["out"]
    assert (folder / "tape.gaps.v1.jsonl").read_bytes() == b""


def test_a_run_killed_between_two_renames_loses_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    _write_run(folder)
    folder.rename(tmp_path / ".out.tapeline-old")
    with pytest.raises(OSError, match="full"):
        _write_run(folder, mark="failed", before_commit=_disk_full)
    assert (_mark(folder), _names(tmp_path)) == ("first", ["out"])


def test_two_runs_to_one_folder_do_not_mix(tmp_path: Path) -> None:
    folder = tmp_path / "out"

    def second() -> None:
        with pytest.raises(ForeignFolderError, match="another run"):
            _write_run(folder, mark="second")

    _write_run(folder, before_commit=second)
    assert (_mark(folder), _names(tmp_path)) == ("first", ["out"])


def test_a_link_is_followed_to_the_folder_it_names(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to("real")
    for mark in ("first", "second"):
        _write_run(link, mark=mark)
        assert link.is_symlink()
        assert _mark(tmp_path / "real") == mark
    assert _names(tmp_path) == ["link", "real"]


def test_what_appears_during_a_run_is_not_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "out"

    def appear() -> None:
        folder.mkdir()
        (folder / "notes").write_text("mine")

    with pytest.raises(ForeignFolderError, match="notes"):
        _write_run(folder, before_commit=appear)
    assert _names(tmp_path) == ["out"]
    assert _names(folder) == ["notes"]


FOREIGN = {
    "another file": {"notes.txt": "mine"},
    "a manifest without hashes by topic": {"manifest.json": '{"output_sha256": null}'},
    "a run and another file": {"manifest.json": '{"output_sha256": {}}', "notes.txt": "mine"},
    "a log": {"tape.bars.v1.jsonl": ""},
    "a log that is called as the bars of a run": {"bars.jsonl": "mine"},
    "a run of an earlier version and such a log": {
        "manifest.json": '{"output_sha256": {}}',
        "bars.jsonl": "mine",
    },
    "a manifest of something else": {"manifest.json": '{"name": "my app"}'},
    "a manifest that is a list": {"manifest.json": "[]"},
    "a manifest that is no JSON": {"manifest.json": "version 1"},
}


@pytest.mark.parametrize("files", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_folder_that_is_no_run_is_left_alone(tmp_path: Path, files: dict[str, str]) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(content)
    with pytest.raises(ForeignFolderError, match="is no part of a run; name another folder"):
        RunDirectory(folder, _no_count)
    assert {path.name: path.read_text() for path in folder.iterdir()} == files


def test_an_empty_folder_or_a_part_of_a_run_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    _write_run(folder)
    for name in ("manifest.json", "bars.jsonl"):
        (folder / name).unlink()
    _write_run(folder, mark="second")
    assert _mark(folder) == "second"


def test_the_current_folder_and_those_above_it_cannot_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "empty"
    inside.mkdir()
    monkeypatch.chdir(inside)
    with pytest.raises(ForeignFolderError, match="the current one"):
        RunDirectory(Path(), _no_count)
    with pytest.raises(ForeignFolderError, match="holds "):
        RunDirectory(Path("/"), _no_count)


def test_a_file_is_no_folder_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(ForeignFolderError, match="file is not a folder"):
            RunDirectory(folder, _no_count)


def test_the_topics_of_a_store_are_no_run(tmp_path: Path) -> None:
    topics = tmp_path / "store" / "topics"
    topics.mkdir(parents=True)
    (topics / "tape.gaps.v1.jsonl").write_text("")
    (tmp_path / "store" / "lock").touch()
    with pytest.raises(ForeignFolderError, match="holds the topics of a store"):
        RunDirectory(topics, _no_count)


INSIDE = {
    "a file of the run": ("out", "out/tape.gaps.v1.jsonl"),
    "through a link to the folder": ("link", "out/tape.gaps.v1.jsonl"),
    "from a link to the folder": ("out", "link/tape.gaps.v1.jsonl"),
    "a link to a file of the run": ("out", "pointer.jsonl"),
    "a link that lies there": ("out", "out/tape.pairs.v1.jsonl"),
    "the folder itself": ("out", "out"),
    "by another way": ("out", "out/../out/tape.gaps.v1.jsonl"),
    "what a killed run left": ("out", ".out.tapeline-part/tape.gaps.v1.jsonl"),
    "the earlier run of a killed one": ("out", ".out.tapeline-old/tape.gaps.v1.jsonl"),
}


@pytest.mark.parametrize(("folder", "path"), INSIDE.values(), ids=INSIDE.keys())
def test_a_folder_that_an_input_lies_in_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    _write_run(tmp_path / "out")
    (tmp_path / "link").symlink_to("out")
    (tmp_path / "pointer.jsonl").symlink_to("out/tape.gaps.v1.jsonl")
    (tmp_path / "book.csv").touch()
    (tmp_path / "out" / "tape.pairs.v1.jsonl").unlink()
    (tmp_path / "out" / "tape.pairs.v1.jsonl").symlink_to(tmp_path / "book.csv")
    for named in (path, str(tmp_path / path)):
        with pytest.raises(ForeignFolderError, match=f"the input {named} lies in it"):
            check_outside(Path(folder), ["book.csv", named])


def test_inputs_elsewhere_are_no_hindrance(tmp_path: Path) -> None:
    _write_run(tmp_path / "out")
    (tmp_path / "circle.csv").symlink_to("circle.csv")
    for name in ("out.csv", "outer/book.csv", ".out.tapeline-part.csv", "circle.csv"):
        check_outside(tmp_path / "out", [str(tmp_path / name)])
