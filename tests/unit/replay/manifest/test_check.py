"""Manifests that are damaged, of another version, or given options that they decide themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tapeline.streams.cli.main import main
from tapeline.streams.feeds.samples import write_samples

Damage = Callable[[dict[str, Any]], None]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The manifest of a replay of a few bars in the folder ``run``, which is at hand."""
    write_samples(tmp_path, 1, 7)
    monkeypatch.chdir(tmp_path)
    stretch = ("--to-offset", "100")
    assert main(["replay", "--bars", "ES=es.csv", *stretch, "--out", "run"]) == 0
    found: dict[str, Any] = json.loads(Path("run/manifest.json").read_text())
    return found


def put(manifest: object) -> None:
    Path("run/manifest.json").write_text(json.dumps(manifest))


def stop_as_text(manifest: dict[str, Any]) -> None:
    manifest["source"]["partitions"]["0"]["stop"] = "100"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda found: found.pop("start_state"), "missing required field `start_state`"),
        (lambda found: found.pop("options"), "missing required field `options`"),
        (lambda found: found.update(source={}), "missing required field `kind` - at `$.source`"),
        (lambda found: found["source"].update(kind="tape"), "Invalid value 'tape'"),
        (lambda found: found["source"].update(partitions={"x": {}}), "Expected `int`, got `str`"),
        (lambda found: found["source"].pop("files"), "missing required field `files`"),
        (stop_as_text, "Expected `int`, got `str`"),
        (lambda found: found.update(mode="as-guessed"), "Invalid enum value 'as-guessed'"),
    ],
)
@pytest.mark.parametrize("command", [("replay", "--manifest", "run"), ("parity", "run", "run")])
def test_a_damaged_manifest_is_a_usage_error_that_names_the_damage(
    run: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
    damage: Damage,
    message: str,
) -> None:
    damage(run)
    put(run)
    assert main(list(command)) == 2
    text = capsys.readouterr().err
    assert "manifest.json: is no manifest of a run, or a damaged one" in text
    assert message in text


@pytest.mark.parametrize("content", [{}, [], 7, {"options": {}}])
def test_what_is_no_manifest_is_called_none(
    run: dict[str, Any], capsys: pytest.CaptureFixture[str], content: object
) -> None:
    put(content)
    assert main(["replay", "--manifest", "run"]) == 2
    assert "manifest.json: is no manifest of a run\n" in capsys.readouterr().err


def test_a_damaged_manifest_of_a_run_of_files_is_a_usage_error(
    run: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--bars", "ES=es.csv", "--out", "live"]) == 0
    path = Path("live/manifest.json")
    found = json.loads(path.read_text())
    del found["options"]["tz"]
    path.write_text(json.dumps(found))
    assert main(["replay", "live", "--out", "again"]) == 2
    assert "missing required field `tz` - at `$.options`" in capsys.readouterr().err


def test_a_repetition_by_another_version_reports_it(
    run: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "--manifest", "run"]) == 0
    assert "made by tapeline" not in capsys.readouterr().out
    put({**run, "code_version": "0.0.1"})
    assert main(["replay", "--manifest", "run"]) == 0
    message = capsys.readouterr().out
    assert "The manifest was made by tapeline 0.0.1, the repetition by " in message
    assert "Equal: " in message
    assert main(["replay", "--manifest", "run", "--json"]) == 0
    [note] = json.loads(capsys.readouterr().out)["notes"]
    assert "0.0.1" in note


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("es.csv",), "FILE"),
        (("--bars", "ES=es.csv"), "--bars"),
        (("--store", "store"), "--store"),
        (("--from", "2025-11-25"), "--from"),
        (("--to-offset", "100"), "--to-offset"),
        (("--symbols", "ES"), "--symbols"),
        (("--as-recorded",), "--as-corrected/--as-recorded"),
        (("--no-snapshots",), "--no-snapshots"),
        (("--warmup-sessions", "0"), "--warmup-sessions"),
        (("--speed", "max"), "--speed"),
        (("--to-topics",), "--to-topics"),
        (("--then-follow",), "--then-follow"),
        (("--processes", "2"), "--processes"),
        (("--tz", "UTC"), "--tz"),
    ],
)
def test_a_repetition_takes_no_option_that_its_manifest_decides(
    run: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    named: str,
) -> None:
    assert main(["replay", "--manifest", "run", *arguments, "--out", "again"]) == 2
    assert f"{named}: does not go with --manifest" in capsys.readouterr().err
    assert not Path("again").exists()
