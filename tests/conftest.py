"""Fixtures and hypothesis profiles shared by all tests."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A shared machine may be slow at any time: time never decides whether a property holds.
_slow_is_fine = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile(
    "ci",
    max_examples=50,
    derandomize=True,
    deadline=None,
    print_blob=True,
    suppress_health_check=_slow_is_fine,
)
settings.register_profile("short", settings.get_profile("ci"), max_examples=10)
settings.register_profile("traced", settings.get_profile("ci"), max_examples=3)
settings.register_profile(
    "long",
    settings.get_profile("ci"),
    max_examples=2_000,
    derandomize=False,
)
settings.load_profile(os.environ.get("TAPELINE_HYPOTHESIS", "ci"))

# A shell ignores interrupts for what it runs in the background; so would what a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def repository_root() -> Path:
    """The folder of pyproject.toml."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of recorded books and expectations; tests that need it skip without it."""
    name = os.environ.get("TAPELINE_DATA")
    if not name:
        pytest.skip("TAPELINE_DATA is not set: no folder of recorded books to compare with")
    folder = Path(name).resolve()
    if not folder.is_dir():
        pytest.fail(f"TAPELINE_DATA names {folder}, which is not a folder")
    return folder
