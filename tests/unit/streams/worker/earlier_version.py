"""What Tapeline 0.1 left on a cluster: bytes that it wrote, two hours of a session and one of the
next.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from tapeline.streams.worker.state.records import Pair

DATA = Path(__file__).parents[3] / "data" / "version_0.1"


def changelog() -> list[Pair]:
    """Records of a changelog partition, in order."""
    with gzip.open(DATA / "changelog.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [(key.encode(), value.encode()) for key, value in map(json.loads, lines)]
