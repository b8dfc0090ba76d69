"""Pages of the presets, and the mapping of live.md: what they show is what happens."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tapeline.schemas.config.feed_loading import preset_names, preset_text
from tapeline.schemas.config.loading import read_config
from tapeline.streams.feeds.live.secrets import needed_secrets
from tests.docs.pages import blocks
from tests.docs.test_pages import OUTPUT, ROOT, tapeline
from tests.feed_mappings import TAPES

pytestmark = pytest.mark.source_tree

PAGES = ROOT / "docs" / "feeds"
CHECKED = re.compile(r"Checked against the service: never\..*?(\d{4}-\d\d-\d\d)", re.DOTALL)


def shown_and_printed(page: Path, folder: Path) -> tuple[list[str], list[str]]:
    """What a page shows of a check, and what is printed with its configuration."""
    [toml, *_] = blocks(page, "toml")
    (folder / "tapeline.toml").write_text(toml)
    outputs = OUTPUT.findall(page.read_text("utf-8"))
    [(command, shown)] = [each for each in outputs if each[0].startswith("feed check")]
    return shown.splitlines(), tapeline(folder, command).stdout.splitlines()


ADAPTERS = ("databento",)


def test_every_preset_and_every_adapter_has_a_page() -> None:
    pages = sorted(page.stem for page in PAGES.glob("*.md"))
    assert pages == sorted([*preset_names(), *ADAPTERS])


@pytest.mark.parametrize("kind", ADAPTERS)
def test_the_table_on_the_page_of_an_adapter_is_a_feed_of_its_kind(kind: str) -> None:
    page = PAGES / f"{kind}.md"
    [toml] = blocks(page, "toml")
    (feed,) = read_config(toml, "page").feeds.values()
    assert feed.kind == kind
    assert all(f"`{name}`" in page.read_text("utf-8") for name in needed_secrets(feed))


@pytest.mark.parametrize("preset", preset_names())
def test_the_check_on_a_page_is_the_real_one(preset: str, tmp_path: Path) -> None:
    shutil.copy(TAPES / f"{preset}.jsonl", tmp_path / "tape.jsonl")
    shown, printed = shown_and_printed(PAGES / f"{preset}.md", tmp_path)
    assert printed == shown
    assert len(shown) > 5


@pytest.mark.parametrize("preset", preset_names())
def test_a_page_names_the_secrets_and_the_last_check(preset: str) -> None:
    page = (PAGES / f"{preset}.md").read_text("utf-8")
    feed = read_config(f"[feeds.x]\nuse = '{preset}'\nsymbols = ['A']", "page").feeds["x"]
    assert [name for name in needed_secrets(feed) if f"`{name}`" not in page] == []
    checked = CHECKED.search(preset_text(preset))
    assert checked is not None
    assert f"Checked against the service: **never**. On {checked[1]}" in page


def test_the_check_of_live_md_finds_the_wrong_stamp(tmp_path: Path) -> None:
    page = ROOT / "docs" / "live.md"
    [tape] = blocks(page, "jsonl")
    (tmp_path / "tape.jsonl").write_text(tape)
    shown, printed = shown_and_printed(page, tmp_path)
    assert printed == shown
    assert 'Say stamp = "close"' in printed[-2]
