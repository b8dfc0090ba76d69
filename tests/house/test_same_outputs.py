"""What compares the outputs of two commits sees a byte, and looks at no provenance."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.same_outputs import DIFFERENT, EQUAL, MISSING, Compared, compare

pytestmark = pytest.mark.source_tree

MANIFEST = '{"output_sha256": {"log": "1f"}, "version": "0.1.0"}'
TOPIC = '{"id": "gap|ES|1"}\n'


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return outputs(tmp_path / "before")


@pytest.fixture
def after(tmp_path: Path) -> Path:
    return outputs(tmp_path / "after")


def outputs(folder: Path) -> Path:
    """A run, and a store with its state."""
    for name in ("run", "store/topics", "store/state"):
        (folder / name).mkdir(parents=True)
    (folder / "run" / "manifest.json").write_text(MANIFEST)
    (folder / "store" / "topics" / "gaps.jsonl").write_text(TOPIC)
    (folder / "store" / "state" / "000001.sst").write_bytes(folder.name.encode())
    return folder


def verdicts(found: list[Compared]) -> dict[str, str]:
    return {each.name: each.verdict for each in found}


def test_equal_outputs_are_equal_whatever_their_state_is(before: Path, after: Path) -> None:
    found = verdicts(compare(before, after))
    assert found == {"run/manifest.json": EQUAL, "store/topics/gaps.jsonl": EQUAL}


def test_one_byte_makes_a_file_different(before: Path, after: Path) -> None:
    (after / "store" / "topics" / "gaps.jsonl").write_text(TOPIC.replace("1", "2"))
    assert verdicts(compare(before, after))["store/topics/gaps.jsonl"] == DIFFERENT


@pytest.mark.parametrize(
    ("old", "new", "verdict"), [("0.1.0", "0.2.0", EQUAL), ('"1f"', '"2f"', DIFFERENT)]
)
def test_of_a_manifest_the_digests_of_outputs_count(
    before: Path, after: Path, old: str, new: str, verdict: str
) -> None:
    (after / "run" / "manifest.json").write_text(MANIFEST.replace(old, new))
    assert verdicts(compare(before, after))["run/manifest.json"] == verdict


def test_a_file_of_one_commit_alone_is_missing(before: Path, after: Path) -> None:
    (after / "run" / "tape.touches.v1.jsonl").write_text(TOPIC)
    assert verdicts(compare(before, after))["run/tape.touches.v1.jsonl"] == MISSING
