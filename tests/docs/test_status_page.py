"""The status in docs/operations.md is what is printed."""

from __future__ import annotations

from pathlib import Path

from tests.docs.pages import blocks
from tests.docs.test_pages import OUTPUT, ROOT, tapeline

PAGE = ROOT / "docs" / "operations.md"


def test_what_is_printed_of_a_store_is_on_the_page(tmp_path: Path) -> None:
    assert tapeline(tmp_path, "sample sample").returncode == 0
    [toml] = [text for text in blocks(PAGE, "toml") if "avg_volume_10d" in text]
    (tmp_path / "added.toml").write_text(toml)
    run = "run --bars ES=sample/es-holes.csv --bars NQ=sample/nq.csv --store store"
    assert tapeline(tmp_path, run).returncode == 0
    run = "run --bars ES=sample/es.csv --store added --config added.toml"
    assert tapeline(tmp_path, run).returncode == 0
    plain, added = OUTPUT.findall(PAGE.read_text("utf-8"))
    for command, shown in (plain, added):
        printed = tapeline(tmp_path, command).stdout
        assert [line.rstrip() for line in printed.splitlines()] == shown.splitlines()
    assert "Stale in session: ES, NQ" in plain[1]
    assert "cold: " in added[1]
