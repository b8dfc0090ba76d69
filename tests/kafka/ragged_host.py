"""The host with small chunks and random waits, as a program: kills land between all steps."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from random import Random

from tapeline.replay.bounds import parse_bound
from tapeline.schemas.config.loading import load_config
from tapeline.schemas.errors import TapelineError
from tapeline.streams.errors import exit_code_of
from tapeline.streams.hosting.process import SESSION_S, HostOptions, run_host
from tapeline.streams.outputs.terminal import guard_standard_error, print_line

CHUNK_RECORDS = 20
LONGEST_WAIT_S = 0.01


def main() -> int:
    """Run a host with the options that the tests use; its exit code."""
    guard_standard_error()
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--instance", type=int)
    parser.add_argument("--http-port", type=int)
    parser.add_argument("--dynamic", action="store_true")
    parser.add_argument("--from", dest="begin")
    parser.add_argument("--session-s", type=float, default=SESSION_S)
    given = parser.parse_args()
    random = Random()

    async def pause() -> None:
        await asyncio.sleep(random.random() * LONGEST_WAIT_S)

    options = HostOptions(
        instance=given.instance,
        data_dir=given.data_dir,
        http_port=given.http_port,
        chunk_records=CHUNK_RECORDS,
        session_s=given.session_s,
        dynamic=given.dynamic,
        begin=None if given.begin is None else parse_bound("--from", given.begin),
    )
    try:
        run_host(load_config(given.config), options, pause)
    except (TapelineError, OSError) as error:
        print_line(f"tapeline: {error}", err=True)
        return exit_code_of(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
