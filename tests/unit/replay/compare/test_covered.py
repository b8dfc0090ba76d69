"""What a manifest holds for a comparison: the records of its run, whatever has come since."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.replay.compare.covered import covered
from tapeline.replay.compare.recorded import Coverage
from tapeline.schemas.config.model import built_in_config, config_hash
from tapeline.streams.errors import InputError

CONFIG = built_in_config()
SPAN = {"begin": 0, "end": 90, "read_from": 0, "start": 10, "stop": 50}


def manifest(kind: str, **options: Any) -> dict[str, Any]:
    """Of a replay of one partition, as far as it names what is covered."""
    partition = "2" if kind == "topic" else "0"
    source = {"kind": kind, "partition_count": 4, "partitions": {partition: SPAN}}
    return {"source": source, "options": options, "config_hash": config_hash(CONFIG)}


@pytest.mark.parametrize(
    ("found", "stretch", "partitions"),
    [
        ({"inputs": []}, Coverage(), 1),
        # Nothing is there of partitions that were not read.
        (manifest("topic"), Coverage({2: 10}, {0: 0, 1: 0, 2: 50, 3: 0}), 4),
        # A store grows like a topic; of files, all of them is everything.
        (manifest("store"), Coverage({0: 10}, {0: 50}), 1),
        (manifest("files"), Coverage(), 1),
        (manifest("run", to=None), Coverage(), 1),
        (manifest("files", **{"from": "2025-12-09"}), Coverage({0: 10}, {0: 50}), 1),
    ],
)
def test_a_manifest_covers_the_records_that_were_read(
    found: dict[str, Any], stretch: Coverage, partitions: int
) -> None:
    assert covered(found, CONFIG, "run") == (stretch, partitions)


def test_a_selection_is_what_the_manifest_names() -> None:
    found = {**manifest("files", symbols=["ES"]), "selected": ["ES", "ES-XX"], "config_hash": "x"}
    assert covered(found, CONFIG, "run") == (Coverage(symbols=frozenset({"ES", "ES-XX"})), 1)
    found["selected"] = None
    assert covered(found, CONFIG, "run") == (Coverage(), 1)


def test_what_a_group_was_only_the_configuration_of_the_run_can_show() -> None:
    found = manifest("files", symbols=["ACME"], groups=["ES-NQ"])
    names = frozenset({"ES", "NQ", "ES-NQ", "ACME"})
    assert covered(found, CONFIG, "run") == (Coverage(symbols=names), 1)
    found["config_hash"] = "0" * 64
    with pytest.raises(InputError, match=r"^run: the configuration is another one .* then 0{12}"):
        covered(found, CONFIG, "run")
