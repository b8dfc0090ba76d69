"""A worker and a replay from its snapshots, where days of the calendar are others than before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tapeline.schemas.config.model import Config
from tapeline.streams.calendars import load_calendar
from tapeline.streams.drill.worker_process import CONFIGURATION_FILE
from tapeline.streams.feeds.samples import sample_book
from tests.kafka.acme import prepared
from tests.kafka.broker import Broker
from tests.kafka.worker_process import WorkerProcess, append, work_off
from tests.unit.streams.calendars.altered import REMOVED, other_installation

LOADED = "loaded in"
SHORTER = (
    "calendar XNYS, session 2025-11-10: then 2025-11-10T14:30Z/2025-11-10T21:00Z,"
    " now 2025-11-10T14:30Z/2025-11-10T18:00Z early close"
)


@pytest.fixture(scope="module")
def shorter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages in which XNYS shut at 13:00 on 2025-11-10."""
    folder = tmp_path_factory.mktemp("shorter") / "code"
    return other_installation(folder, "XNYS", {"2025-11-10": "18:00"})


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages in which a day before the reach and one after the ISO week are no sessions."""
    folder = tmp_path_factory.mktemp("elsewhere") / "code"
    return other_installation(folder, "XNYS", {"2025-04-17": REMOVED, "2025-11-18": REMOVED})


def command(packages: Path, *words: str) -> tuple[str, ...]:
    """`tapeline` by other packages than these."""
    main = "from tapeline.__main__ import main; sys.exit(main())"
    program = f"import sys; sys.path.insert(0, {str(packages)!r}); {main}"
    return (sys.executable, "-P", "-c", program, *words)


STRETCH = ("--from", "2025-11-12", "--out", "again")
"""A replay of it begins with a snapshot of 2025-11-11."""


def replayed(
    packages: Path, config: Config, folder: Path, *words: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(
            packages, "replay", "--bootstrap", config.kafka.bootstrap, *words,
            "--config", CONFIGURATION_FILE,
        ),
        cwd=folder, capture_output=True, text=True, timeout=180,
    )  # fmt: skip


async def test_only_days_in_reach_of_the_state_stop_a_worker_and_a_replay(
    broker: Broker, topic_prefix: str, tmp_path: Path, shorter: Path, elsewhere: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    log = list(sample_book("ACME", load_calendar("XNYS"), "2025-11-06", 5, 11, 12_500, 0.01))
    await append(config, 0, log[:1_800])
    folder = tmp_path / "worker"
    await work_off(WorkerProcess(config, folder), 1_800)
    with WorkerProcess(config, folder, program=command(shorter, "worker")) as refused:
        assert refused.wait() == 70
        assert SHORTER in refused.last_words()
        assert "build anew under another topic prefix" in refused.last_words()
    done = replayed(shorter, config, folder, *STRETCH)
    assert done.returncode == 2, done.stdout + done.stderr
    assert SHORTER in " ".join(done.stderr.split())
    assert "--no-snapshots" in done.stderr
    done = replayed(elsewhere, config, folder, *STRETCH)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the snapshot of session 2025-11-11" in done.stdout
    # A repetition is no refusal: what the days change is its answer.
    assert replayed(elsewhere, config, folder, "--manifest", "again").returncode == 0
    done = replayed(shorter, config, folder, "--manifest", "again")
    assert done.returncode == 1, done.stdout + done.stderr
    assert SHORTER in " ".join(done.stdout.split())
    await append(config, 0, log[1_800:])
    await work_off(WorkerProcess(config, folder, program=command(elsewhere, "worker")), len(log))
