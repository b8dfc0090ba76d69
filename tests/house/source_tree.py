"""What the guards look at: the modules of the repository and their names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("schemas", "streams", "replay")
CODE = (*PACKAGES, "tests", "benchmarks", "examples")

# Made by tools or by a run, never written by hand; the same folders as in .gitignore.
_GENERATED = frozenset({"build", "dist", "out", "sample", "__pycache__"})
_TEXT_SUFFIXES = frozenset(
    {".py", ".md", ".toml", ".cfg", ".ini", ".yml", ".yaml", ".json", ".csv", ".jsonl", ".txt"}
)
_TEXT_NAMES = frozenset({"Makefile", "run", "py.typed", ".gitignore", "LICENSE"})


@dataclass(frozen=True)
class Violation:
    """One broken house rule: the line (1-based) and what is wrong there."""

    line: int
    message: str


def module_name(path: Path, root: Path = ROOT) -> str:
    """Dotted name of a module file below `root`; a package file has its package's name."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules(*folders: str, root: Path = ROOT) -> list[Path]:
    """All Python files below the folders, sorted, generated ones left out."""
    return [
        path
        for folder in folders
        for path in sorted((root / folder).rglob("*.py"))
        if not _is_generated(path.relative_to(root))
    ]


def text_files(root: Path = ROOT) -> Iterator[Path]:
    """Every hand-written text file of the repository, hidden tool folders left out."""
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if _is_generated(relative) or not path.is_file():
            continue
        if path.suffix in _TEXT_SUFFIXES or path.name in _TEXT_NAMES:
            yield path


def _is_generated(relative: Path) -> bool:
    folders = relative.parts[:-1]
    if relative.parts[0].startswith(".") and relative.parts[0] not in {".ci", ".gitignore"}:
        return True
    return any(part in _GENERATED or part.endswith(".egg-info") for part in folders)
