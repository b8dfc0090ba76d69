"""Pages of the documentation, and what they hold."""

from __future__ import annotations

import re
from pathlib import Path

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")


def pages(root: Path) -> list[Path]:
    """README and its neighbours, and everything in docs."""
    return [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    """Fenced blocks of one language."""
    return [body for found, body in BLOCK.findall(page.read_text()) if found == language]


def commands(page: Path) -> list[str]:
    """Commands after a dollar sign in console blocks."""
    return [
        line[2:]
        for body in blocks(page, "console")
        for line in body.splitlines()
        if line.startswith("$ ")
    ]


def links(page: Path) -> list[str]:
    """Relative targets of links."""
    return [target for target in LINK.findall(page.read_text()) if "://" not in target]
