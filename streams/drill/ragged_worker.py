"""The worker with small chunks and random waits, as a program: kills land between all steps."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from random import random

from tapeline.schemas.config.loading import load_config
from tapeline.schemas.errors import TapelineError
from tapeline.streams.errors import exit_code_of
from tapeline.streams.outputs.terminal import guard_standard_error, print_line
from tapeline.streams.worker.runner import SESSION_S, RunOptions, run_worker

CHUNK_RECORDS = 20
LONGEST_WAIT_S = 0.01


def common_options() -> argparse.ArgumentParser:
    """Options of `tapeline worker` and `tapeline host` that tests and drills use."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--instance", type=int)
    parser.add_argument("--http-port", type=int)
    parser.add_argument("--dynamic", action="store_true")
    parser.add_argument("--session-s", type=float, default=SESSION_S)
    return parser


async def random_pause() -> None:
    """Wait for up to `LONGEST_WAIT_S`."""
    await asyncio.sleep(random() * LONGEST_WAIT_S)


def exit_code_after(run: Callable[[], None]) -> int:
    """Run to the end; the exit code, with the error printed."""
    try:
        run()
    except (TapelineError, OSError) as error:
        print_line(f"tapeline: {error}", err=True)
        return exit_code_of(error)
    return 0


def main() -> int:
    """Run a worker with the options of `tapeline worker` that a drill uses; its exit code."""
    guard_standard_error()
    given = common_options().parse_args()
    options = RunOptions(
        instance=given.instance,
        data_dir=given.data_dir,
        http_port=given.http_port,
        chunk_records=CHUNK_RECORDS,
        session_s=given.session_s,
        dynamic=given.dynamic,
    )
    return exit_code_after(lambda: run_worker(load_config(given.config), options, random_pause))


if __name__ == "__main__":
    sys.exit(main())
