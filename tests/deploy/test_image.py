"""The image is small, pinned, without secrets, and without root."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.deploy.composition import services

pytestmark = pytest.mark.source_tree

ROOT = Path(__file__).resolve().parents[2]
PYTHON = re.compile(r"^python:3\.(\d+)\.\d+-slim-\w+$")


def instructions() -> list[tuple[str, str]]:
    """Instructions of the Dockerfile and what follows them."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    lines = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines if line]


def values(name: str) -> list[str]:
    """What follows each instruction of a name."""
    return [value for found, value in instructions() if found == name]


def test_both_stages_begin_with_the_same_pinned_python_that_we_support() -> None:
    images = [value.split(" ")[0] for value in values("FROM")]
    assert len(images) == 2
    assert len(set(images)) == 1
    pinned = PYTHON.match(images[0])
    assert pinned is not None
    assert int(pinned[1]) >= 11


def test_the_process_is_not_root() -> None:
    [user] = values("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    names = [name for name, _ in instructions()]
    # After it nothing is made any more that would belong to root.
    assert not {"RUN", "COPY"} & set(names[names.index("USER") :])


def test_the_image_runs_the_command_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    [entry] = values("ENTRYPOINT")
    assert entry == '["tapeline"]'
    assert "tapeline" in project["scripts"]


def test_all_that_is_copied_exists_and_is_sent_to_the_builder() -> None:
    sent = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    copied: set[str] = set()
    for value in values("COPY"):
        if not value.startswith("--from"):
            copied |= {word.removeprefix("./") for word in value.split()[:-1]}
    assert copied == sent
    assert [name for name in sorted(copied) if not (ROOT / name).exists()] == []


def test_nothing_secret_is_given_to_the_build() -> None:
    assert values("ADD") == []
    assert values("ARG") == []
    assert not re.search("PASSWORD|SECRET|TOKEN", " ".join(values("ENV")))


def test_a_script_that_a_service_starts_is_in_the_image() -> None:
    [script] = [each["entrypoint"][1] for each in services(ROOT).values() if "entrypoint" in each]
    assert "COPY examples /usr/share/tapeline/examples" in (ROOT / "Dockerfile").read_text()
    assert (ROOT / script.removeprefix("/usr/share/tapeline/")).exists()
