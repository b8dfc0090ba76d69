"""The status in docs/operations.md is what is printed."""

from __future__ import annotations

from pathlib import Path

from tests.docs.test_pages import OUTPUT, ROOT, tapeline


def test_the_status_on_the_page_is_the_real_one(tmp_path: Path) -> None:
    assert tapeline(tmp_path, "sample sample").returncode == 0
    run = "run --bars ES=sample/es-holes.csv --bars NQ=sample/nq.csv --store store"
    assert tapeline(tmp_path, run).returncode == 0
    [(command, shown)] = OUTPUT.findall((ROOT / "docs" / "operations.md").read_text("utf-8"))
    printed = tapeline(tmp_path, command).stdout
    assert [line.rstrip() for line in printed.splitlines()] == shown.splitlines()
    assert "Stale in session: ES, NQ" in shown
