"""Two things with one name get two names."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Mapping

import pytest

from tests.house.source_tree import PACKAGES, ROOT, modules

pytestmark = pytest.mark.source_tree


def shared_names(sources: Mapping[str, str]) -> dict[str, list[str]]:
    """Classes that several modules define, with the modules.

    Parameters
    ----------
    sources
        Texts of modules by path.
    """
    homes = defaultdict(list)
    for path, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(path)
    return {name: paths for name, paths in homes.items() if len(paths) > 1}


def test_no_two_classes_of_the_product_share_a_name() -> None:
    sources = {
        path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in modules(*PACKAGES)
    }
    assert len(sources) > 200
    assert shared_names(sources) == {}


def test_a_name_that_two_modules_give_is_noticed() -> None:
    sources = {"a.py": "class Report:\n    pass", "b.py": "class Report:\n    class Row: ..."}
    assert shared_names(sources) == {"Report": ["a.py", "b.py"]}
