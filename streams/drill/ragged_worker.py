"""The worker with small chunks and random waits, as a program: kills land between all steps."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from random import Random

from tapeline.schemas.config.loading import load_config
from tapeline.schemas.config.model import ConfigError
from tapeline.streams.kafka.errors import BrokerError, TopicsError
from tapeline.streams.outputs.terminal import guard_standard_error, say
from tapeline.streams.worker.instance import InstanceTakenError
from tapeline.streams.worker.runner import SESSION_S, RunOptions, run_worker

CHUNK_RECORDS = 20
LONGEST_WAIT_S = 0.01
REFUSED = 2
IO_FAILURE = 74


def main() -> int:
    """Run a worker with the options of `tapeline worker` that a drill uses; its exit code."""
    guard_standard_error()
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--instance", type=int)
    parser.add_argument("--http-port", type=int)
    parser.add_argument("--dynamic", action="store_true")
    parser.add_argument("--session-s", type=float, default=SESSION_S)
    given = parser.parse_args()
    random = Random()

    async def pause() -> None:
        await asyncio.sleep(random.random() * LONGEST_WAIT_S)

    options = RunOptions(
        instance=given.instance,
        data_dir=given.data_dir,
        http_port=given.http_port,
        chunk_records=CHUNK_RECORDS,
        session_s=given.session_s,
        dynamic=given.dynamic,
    )
    try:
        run_worker(load_config(given.config), options, pause)
    except (ConfigError, TopicsError, InstanceTakenError) as error:
        return _fail(error, REFUSED)
    except (BrokerError, OSError) as error:
        return _fail(error, IO_FAILURE)
    return 0


def _fail(error: Exception, code: int) -> int:
    say(f"tapeline: {error}", err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
