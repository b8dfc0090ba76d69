"""Guard: what every file of the repository keeps to, read from texts."""

from __future__ import annotations

import ast
import re
from pathlib import PurePosixPath

from tests.house.source_tree import Violation

LONGEST_MODULE = 500
_SHAPELESS = frozenset({"common", "helper", "helpers", "manager", "misc", "util", "utils"})
# An absolute path below a folder that is different on every machine.
_MACHINE_PATH = re.compile(r"(?:^|[^\w./])/(?:home|root|tmp|opt|work)(?:/|\b)")
_UNFINISHED = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")
_ABSENT = "NotImplemented" + "Error"
_MAKE_CALL = re.compile(r"(?:^|[\s`(])make ((?:[a-z][a-z-]*(?: |\b))+)")
_CODE = re.compile(r"```[a-z]*\n(.*?)```|`([^`\n]+)`", re.DOTALL)
_TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)


def machine_paths(text: str) -> list[Violation]:
    """Lines that name a path of one machine."""
    return _matching_lines(text, _MACHINE_PATH, "names a path of one machine")


def unfinished_marks(text: str) -> list[Violation]:
    """Lines that announce that something is still to be done."""
    return _matching_lines(text, _UNFINISHED, "is unfinished")


def shapeless_name(path: PurePosixPath) -> str | None:
    """The part of a module's path that shows nothing of its purpose, if it has one."""
    for part in (*path.parts[:-1], path.stem):
        if _SHAPELESS & set(part.lower().split("_")):
            return part
    return None


def module_faults(source: str, *, is_package: bool) -> list[Violation]:
    """What a module may not be: too long, without a docstring as a package, a stub."""
    found = []
    count = len(source.splitlines())
    if count > LONGEST_MODULE:
        found.append(Violation(count, f"{count} lines: more than {LONGEST_MODULE}"))
    tree = ast.parse(source)
    if is_package and not ast.get_docstring(tree):
        found.append(Violation(1, "a package without a docstring that names its purpose"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == _ABSENT:
            found.append(Violation(node.lineno, f"raises {_ABSENT}: build it or leave it out"))
    return found


def make_targets(makefile: str) -> set[str]:
    """Targets a reader may call, from a Makefile's text."""
    return set(_TARGET.findall(makefile))


def make_calls(document: str) -> set[str]:
    """Targets that a Markdown text asks its reader to make, inline or in a code block."""
    calls: set[str] = set()
    for block, inline in _CODE.findall(document):
        for line in (block or inline).splitlines():
            command = line.partition("#")[0]
            for words in _MAKE_CALL.findall(command):
                calls.update(words.split())
    return calls


def _matching_lines(text: str, pattern: re.Pattern[str], message: str) -> list[Violation]:
    return [
        Violation(number, f"{message}: {line.strip()}")
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]
