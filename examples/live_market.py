"""A live market on this machine: the sample exchange, and a feed of it into a store.

    python examples/live_market.py FOLDER
    python examples/live_market.py FOLDER --seconds 60 --fault cut@20s

The exchange is `tapeline sample feed`, the feed `tapeline ingest`; a provider's takes its position
with a table of its own in `tapeline.toml`. Ctrl-C ends both.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from pathlib import Path

TAPELINE = [sys.executable, "-m", "tapeline"]
PATIENCE_S = 20


def main() -> int:
    """Run both; the exit code is that of the feed."""
    parser = argparse.ArgumentParser(description="A live market on this machine.")
    parser.add_argument("folder", type=Path, help="where configuration and store go")
    parser.add_argument("--seconds", type=float, help="how long; until Ctrl-C if not given")
    parser.add_argument("--fault", action="append", default=[], help="as of `tapeline sample feed`")
    options = parser.parse_args()
    faults = [word for fault in options.fault for word in ("--fault", fault)]
    exchange = subprocess.Popen(
        [*TAPELINE, "sample", "feed", str(options.folder), "--port", "0", "--json", *faults],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert exchange.stdout is not None
        line = exchange.stdout.readline()
        if not line:
            return exchange.wait()
        return ingest(json.loads(line)["config"], options.folder / "store", options.seconds)
    finally:
        end(exchange)


def ingest(config: str, store: Path, seconds: float | None) -> int:
    """Run the feed until its end, or so many seconds."""
    feed = subprocess.Popen(
        [*TAPELINE, "ingest", "demo", "--config", config, "--store", str(store)]
    )
    # Ctrl-C reaches the feed by itself: it writes what it has, and ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return feed.wait(seconds)
    except subprocess.TimeoutExpired:
        return end(feed)
    finally:
        if feed.poll() is None:
            feed.kill()


def end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> int:
    """End a process in good order, else at once."""
    process.terminate()
    try:
        return process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


if __name__ == "__main__":
    sys.exit(main())
