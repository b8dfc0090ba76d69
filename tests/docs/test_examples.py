"""The examples run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from schemas.config_loading import read_config
from streams.embedded import run_files
from streams.inputs import Source
from streams.samples import write_samples


def test_fold_a_run_prints_the_open_ranges(tmp_path: Path, repository_root: Path) -> None:
    write_samples(tmp_path / "sample", sessions=2)
    source = Source(str(tmp_path / "sample" / "es.csv"), "ES")
    run_files(read_config("", "built in"), [source], tmp_path / "out")
    environment = dict(os.environ)
    if (repository_root / "streams").is_dir():
        environment["PYTHONPATH"] = str(repository_root)
    example = repository_root / "examples" / "fold_a_run.py"
    done = subprocess.run(
        [sys.executable, str(example), str(tmp_path / "out"), "ES"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    states: dict[str, dict[str, object]] = {}
    for line in (tmp_path / "out" / "tape.ranges.v1.jsonl").read_text().splitlines():
        fact = json.loads(line)
        states[fact["id"]] = fact
    unfinished = [
        fact
        for fact in states.values()
        if not fact["expired"] and fact["state"] not in ("resolved", "incomplete")
    ]
    assert unfinished
    assert len(done.stdout.splitlines()) == len(unfinished)
