"""Identities in manifests: what is kept of schedules, and what a repetition finds changed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tapeline.schemas.config.model import built_in_config
from tapeline.streams.calendars import load_calendar
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.feeds.samples import CONFIGURATION_FILE, sample_book, write_samples
from tapeline.streams.pipeline.manifest_identity import identities, identity_differences, schedule
from tapeline.streams.pipeline.planning import plan_group
from tests.unit.streams.calendars.altered import REMOVED, other_installation, other_zone
from tests.unit.streams.core.scenario import at, minutes

CONFIG = built_in_config()
FILE = "acme.csv"
CONFIGURATION = '[instruments.ACME]\ntick = 0.01\ncalendar = "XNYS"\nranges = ["prior_session"]\n'
SHORTER = "calendar XNYS, session 2025-11-10: then 2025-11-10T14:30Z/2025-11-10T21:00Z, now"
MAIN = "import sys; from tapeline.__main__ import main; sys.exit(main())"
FIRST, LAST_DAYS = "2025-11-06", 5


def engine_of(group: str, symbol: str, day: str, price: float) -> GroupEngine:
    engine = GroupEngine(plan_group(CONFIG, group))
    for number, record in enumerate(minutes(symbol, at(f"{day} 10:00"), 30, price)):
        engine.apply(record, number)
    return engine


def engines() -> dict[str, GroupEngine]:
    return {
        "ES-NQ": engine_of("ES-NQ", "ES", "2025-12-08", 6800.0),
        "BTC": engine_of("BTC", "BTC", "2020-02-03", 9_000.0),
        "SOL": GroupEngine(plan_group(CONFIG, "SOL")),
    }


def test_each_group_has_its_hash_and_the_dates_that_it_covers() -> None:
    found = identities(CONFIG, engines())["identity"]
    assert list(found) == ["BTC", "ES-NQ", "SOL"]
    assert (found["ES-NQ"]["first"], found["ES-NQ"]["last"]) == ("2025-05-22", "2025-12-12")
    assert (found["SOL"]["first"], found["SOL"]["last"]) == (None, None)
    assert len({each["sha256"] for each in found.values()}) == 3


def test_schedules_are_kept_once_a_calendar_and_zone() -> None:
    found = identities(CONFIG, engines())["schedule"]
    assert list(found["calendars"]) == ["CME_EQUITY"]
    sessions = found["calendars"]["CME_EQUITY"]["sessions"]
    assert (min(sessions), max(sessions)) == ("2025-05-22", "2025-12-12")
    assert found["zones"]["America/New_York"]["offsets"]["2025-11-02T06:00Z"] == "-05:00"


def test_of_old_months_a_digest_is_kept() -> None:
    older = {"ES-NQ": engine_of("ES-NQ", "ES", "2025-12-08", 6800.0)}
    identity = identities(CONFIG, older)["identity"]
    identity["ES-NQ"]["first"] = "2018-03-05"
    found = schedule(CONFIG, identity)["calendars"]["CME_EQUITY"]
    assert (min(found["months"]), max(found["months"])) == ("2018-03", "2023-11")
    assert min(found["sessions"]) == "2023-12-01"


def test_what_is_as_it_was_differs_in_nothing() -> None:
    manifest = json.loads(json.dumps(identities(CONFIG, engines())))
    assert list(identity_differences(CONFIG, manifest)) == []


def test_a_session_and_a_zone_change_that_differ_are_named_once_for_all_groups() -> None:
    manifest = json.loads(json.dumps(identities(CONFIG, engines())))
    sessions = manifest["schedule"]["calendars"]["CME_EQUITY"]["sessions"]
    now, then = sessions["2025-12-08"], "2025-12-07T23:00Z/2025-12-08T18:00Z early close"
    sessions["2025-12-08"] = then
    manifest["schedule"]["zones"]["America/New_York"]["offsets"]["2025-11-01T06:00Z"] = "-06:00"
    assert list(identity_differences(CONFIG, manifest)) == [
        f"calendar CME_EQUITY, session 2025-12-08: then {then}, now {now}",
        "time zone America/New_York, 2025-11-01T06:00Z: then -06:00, now no change",
    ]


def test_where_schedules_are_equal_the_group_is_named_that_is_not() -> None:
    manifest = json.loads(json.dumps(identities(CONFIG, engines())))
    hash_ = manifest["identity"]["SOL"]["sha256"]
    manifest["identity"]["SOL"]["sha256"] = "0" * 64
    assert list(identity_differences(CONFIG, manifest)) == [
        f"identity SOL: then {'0' * 64}, now {hash_}"
    ]


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with days around 2025-11-10, a configuration, a run, a replay and a store of it."""
    folder = tmp_path_factory.mktemp("book")
    rows = [
        f"{bar.start_ms},{bar.open},{bar.high},{bar.low},{bar.close},{bar.volume}"
        for bar in sample_book("ACME", load_calendar("XNYS"), FIRST, LAST_DAYS, 5, 12_500, 0.01)
    ]
    (folder / FILE).write_text("\n".join(["start_ms,open,high,low,close,volume", *rows[:1_700]]))
    (folder / "later.csv").write_text(
        "\n".join(["start_ms,open,high,low,close,volume", *rows[1_700:1_800]])
    )
    (folder / "acme.toml").write_text(CONFIGURATION)
    for arguments in (
        ("replay", "--bars", f"ACME={FILE}", "--out", "again"),
        ("run", "--bars", f"ACME={FILE}", "--store", "store"),
    ):
        done = tapeline(folder, None, *arguments)
        assert done.returncode == 0, done.stderr
    return folder


def tapeline(
    folder: Path, packages: Path | None, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """A command, by other packages than these."""
    first = "" if packages is None else f"import sys; sys.path.insert(0, {str(packages)!r})\n"
    return subprocess.run(
        [
            sys.executable, "-P", "-c", f"{first}{MAIN}",
            *arguments, "--config", "acme.toml",
        ],
        cwd=folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.fixture(scope="module")
def shorter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages in which XNYS shut at 13:00 on 2025-11-10."""
    return other_installation(
        tmp_path_factory.mktemp("shorter") / "code", "XNYS", {"2025-11-10": "18:00"}
    )


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages in which a day before the reach and one after the ISO week are no sessions."""
    days = {"2025-04-17": REMOVED, "2025-11-18": REMOVED}
    return other_installation(tmp_path_factory.mktemp("elsewhere") / "code", "XNYS", days)


def test_a_repetition_on_other_days_is_not_equal_and_names_the_session(
    book: Path, shorter: Path
) -> None:
    done = tapeline(book, shorter, "replay", "--manifest", "again")
    assert done.returncode == 1, done.stderr
    assert any(line.startswith(SHORTER) for line in done.stdout.splitlines())


def test_a_repetition_with_another_artefact_and_equal_days_is_equal(
    book: Path, elsewhere: Path, tmp_path: Path
) -> None:
    zones = other_zone(tmp_path / "zones", "America/New_York", "America/Toronto")
    for packages in (elsewhere, zones):
        done = tapeline(book, packages, "replay", "--manifest", "again")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Equal: " in done.stdout
    assert "The time zones were those of tzdata" in done.stdout
    noted = tapeline(book, elsewhere, "replay", "--manifest", "again")
    assert "Calendar XNYS was artefact " in noted.stdout


def test_a_store_on_other_days_is_refused_and_left_alone(book: Path, shorter: Path) -> None:
    before = (book / "store" / "log.jsonl").read_bytes()
    done = tapeline(book, shorter, "run", "--bars", "ACME=later.csv", "--store", "store")
    assert done.returncode == 2, done.stdout
    assert SHORTER in " ".join(done.stderr.split())
    assert "tapeline run" in done.stderr
    assert (book / "store" / "log.jsonl").read_bytes() == before


def test_the_view_of_a_store_on_other_days_is_refused(book: Path, shorter: Path) -> None:
    arguments = ("state", "--store", "store", "--as-of", "2025-11-11T15:00:00Z")
    assert tapeline(book, None, *arguments).returncode == 0
    done = tapeline(book, shorter, *arguments)
    assert done.returncode == 2, done.stdout
    assert SHORTER in " ".join(done.stderr.split())


def test_a_store_goes_on_where_days_beyond_its_reach_are_others(
    book: Path, elsewhere: Path
) -> None:
    done = tapeline(book, elsewhere, "run", "--bars", "ACME=later.csv", "--store", "store")
    assert done.returncode == 0, done.stderr


def test_a_store_that_is_made_again_has_the_days_of_now(
    book: Path, shorter: Path, tmp_path: Path
) -> None:
    shutil.copytree(book / "store", tmp_path / "store")
    shutil.copyfile(book / "acme.toml", tmp_path / "acme.toml")
    done = tapeline(tmp_path, shorter, "run", "--store", "store", "--rebuild")
    assert done.returncode == 0, done.stdout + done.stderr
    arguments = ("state", "--store", "store", "--as-of", "2025-11-11T15:00:00Z")
    assert tapeline(tmp_path, shorter, *arguments).returncode == 0
    assert tapeline(tmp_path, None, *arguments).returncode == 2


def test_processes_that_share_the_groups_make_the_manifest_of_one(tmp_path: Path) -> None:
    write_samples(tmp_path, sessions=1)
    (tmp_path / "acme.toml").write_bytes((tmp_path / CONFIGURATION_FILE).read_bytes())
    books = ("--bars", "ES=es.csv", "--bars", "NQ=nq.csv", "--bars", "ACME=acme.csv")
    found: list[dict[str, Any]] = []
    for processes in ("1", "2"):
        done = tapeline(
            tmp_path, None, "replay", *books, "--out", processes, "--processes", processes
        )
        assert done.returncode == 0, done.stderr
        found.append(json.loads((tmp_path / processes / "manifest.json").read_bytes()))
    assert found[0]["identity"] == found[1]["identity"]
    assert found[0]["schedule"] == found[1]["schedule"]
    assert list(found[0]["identity"]) == ["ACME", "ES-NQ"]
