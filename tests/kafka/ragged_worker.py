"""The worker with small chunks and random waits, as a process: kills land between all steps."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from random import Random

from schemas.config_loading import load_config
from streams.worker.runner import RunOptions, run_worker

CHUNK_RECORDS = 20
LONGEST_WAIT_S = 0.01
SESSION_S = 6.0
"""The shortest that a broker allows by default."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--instance", type=int)
    parser.add_argument("--http-port", type=int)
    parser.add_argument("--dynamic", action="store_true")
    given = parser.parse_args()
    random = Random()

    async def pause() -> None:
        await asyncio.sleep(random.random() * LONGEST_WAIT_S)

    options = RunOptions(
        instance=given.instance,
        data_dir=given.data_dir,
        http_port=given.http_port,
        chunk_records=CHUNK_RECORDS,
        session_s=SESSION_S,
        dynamic=given.dynamic,
    )
    run_worker(load_config(given.config), options, pause)


if __name__ == "__main__":
    main()
