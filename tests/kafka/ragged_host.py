"""The host with small chunks and random waits, as a program: kills land between all steps."""

from __future__ import annotations

import sys

from tapeline.replay.bounds import parse_bound
from tapeline.schemas.config.loading import load_config
from tapeline.streams.drill.ragged_worker import (
    CHUNK_RECORDS,
    common_options,
    exit_code_after,
    random_pause,
)
from tapeline.streams.hosting.process import HostOptions, run_host
from tapeline.streams.outputs.terminal import guard_standard_error


def main() -> int:
    """Run a host with the options that the tests use; its exit code."""
    guard_standard_error()
    parser = common_options()
    parser.add_argument("--from", dest="begin")
    given = parser.parse_args()
    options = HostOptions(
        instance=given.instance,
        data_dir=given.data_dir,
        http_port=given.http_port,
        chunk_records=CHUNK_RECORDS,
        session_s=given.session_s,
        dynamic=given.dynamic,
        begin=None if given.begin is None else parse_bound("--from", given.begin),
    )
    return exit_code_after(lambda: run_host(load_config(given.config), options, random_pause))


if __name__ == "__main__":
    sys.exit(main())
