"""The core that the tests import is the one they are meant to test: compiled or plain Python."""

from __future__ import annotations

import importlib
import os
import pkgutil
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES

import pytest

import tapeline.streams.core

COMPILED = os.environ.get("TAPELINE_EXPECT_COMPILED") == "1"
CORE_MODULES = [
    *(
        module.name
        for module in pkgutil.walk_packages(
            tapeline.streams.core.__path__, "tapeline.streams.core."
        )
        if not module.ispkg
    ),
    "tapeline.streams.pipeline.drive",
    "tapeline.streams.pipeline.slots",
]


def test_the_core_has_an_engine() -> None:
    assert "tapeline.streams.core.engine" in CORE_MODULES


@pytest.mark.parametrize("name", CORE_MODULES)
def test_a_core_module_runs_as_it_was_built(name: str) -> None:
    file = importlib.import_module(name).__file__
    assert file is not None
    assert file.endswith(tuple(EXTENSION_SUFFIXES if COMPILED else SOURCE_SUFFIXES))
