"""The compose file as data: its services, what they run, and where that happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

IMAGE = "tapeline:local"


def composition(root: Path) -> dict[str, Any]:
    """The compose file, its anchors and merges resolved."""
    found: dict[str, Any] = yaml.safe_load((root / "docker-compose.yml").read_text("utf-8"))
    return found


def services(root: Path) -> dict[str, dict[str, Any]]:
    """Services by name."""
    found: dict[str, dict[str, Any]] = composition(root)["services"]
    return found


def own_commands(root: Path) -> dict[str, list[str]]:
    """Arguments of ``tapeline`` by service, for services that run our image as it is."""
    return {
        name: [str(each) for each in service["command"]]
        for name, service in services(root).items()
        if service["image"] == IMAGE and "entrypoint" not in service
    }
