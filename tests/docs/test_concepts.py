"""The worked examples of the concepts page are true."""

from __future__ import annotations

from pathlib import Path

from tests.docs.worked_examples import examples, expected


def test_every_fact_follows_from_its_book(repository_root: Path) -> None:
    checked = 0
    for example in examples(repository_root / "docs" / "concepts.md"):
        view = example.view()
        for line in example.facts:
            identity, fields = expected(line)
            assert identity in view, line
            assert {name: view[identity][name] for name in fields} == fields, line
            checked += 1
    assert checked >= 12
