"""Build of the distribution: plain Python, or with the core and its drive compiled by mypyc.

Everything static is in pyproject.toml. ``TAPELINE_COMPILE=1 pip install .`` compiles `COMPILED` as
they are; their sources are installed beside the extension modules, which
Python's import prefers.
"""

from __future__ import annotations

import os
from pathlib import Path

from setuptools import Extension, setup

COMPILED = ("core/**/*.py", "pipeline/drive.py", "pipeline/slots.py")
"""What every record goes through, below ``tapeline/streams``."""
COMPILER_FLAGS = ["-ffp-contract=off"]
"""A product and a sum may not become one instruction that rounds once: where a processor has it,
compilers use it unasked, and a third of all running averages would differ from Python's."""


def core_extensions() -> list[Extension]:
    """Extension modules of `COMPILED`; none unless ``TAPELINE_COMPILE`` is ``1``.

    Package files stay Python: they hold a docstring, and a package must stay one that resources
    can be read from.
    """
    if os.environ.get("TAPELINE_COMPILE") != "1":
        return []
    # Imported here: the default build must not depend on a compiler.
    from mypyc.build import mypycify

    modules = (
        str(path)
        for pattern in COMPILED
        for path in Path("tapeline/streams").glob(pattern)
        if path.name != "__init__.py"
    )
    extensions = mypycify(sorted(modules), opt_level="3", group_name="tapeline_core")
    for extension in extensions:
        extension.extra_compile_args += COMPILER_FLAGS
    return list(extensions)


setup(ext_modules=core_extensions())
