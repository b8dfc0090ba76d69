"""What in a text of Python could make equal logs give different bytes; nothing is run.

No clock, no randomness, no files, no order of a hash. The core is held to it by a guard, and a
strategy before it is loaded.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

from msgspec import Struct

CORE_STANDARD_LIBRARY = frozenset(
    {
        "__future__",
        "abc",
        "array",
        "bisect",
        "collections",
        "collections.abc",
        "dataclasses",
        "datetime",
        "enum",
        "functools",
        "heapq",
        "itertools",
        "math",
        "operator",
        "typing",
    }
)
"""Parts of the standard library that need no clock, no files, no environment and no threads; what
`datetime` has of a clock and `array` of a machine's byte order, `impurities` finds."""
STRATEGY_LIBRARY = CORE_STANDARD_LIBRARY | frozenset(
    {"decimal", "fractions", "json", "re", "statistics", "string"}
)
"""What a strategy may import of the standard library."""

# Modules whose every use is impure: naming one of their members is enough.
_IMPURE_MODULES = frozenset(
    {
        "asyncio",
        "importlib",
        "locale",
        "logging",
        "os",
        "platform",
        "random",
        "secrets",
        "socket",
        "subprocess",
        "sys",
        "threading",
        "time",
        "uuid",
        "zoneinfo",
    }
)
# Members of `datetime` and its classes that read the clock or the machine's time zone.
_CLOCK_MEMBERS = frozenset(
    {"astimezone", "fromtimestamp", "now", "timestamp", "today", "utcfromtimestamp", "utcnow"}
)
# Members of `array` whose bytes depend on the processor.
_MACHINE_MEMBERS = frozenset({"frombytes", "fromfile", "tobytes", "tofile"})
_IMPURE_BUILTINS = frozenset(
    {"__import__", "breakpoint", "eval", "exec", "hash", "id", "input", "open", "print"}
)
_SET_TYPES = frozenset({"set", "frozenset", "Set", "FrozenSet", "AbstractSet", "MutableSet"})
_SET_METHODS = frozenset({"difference", "intersection", "symmetric_difference", "union"})
_SET_OPERATORS = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.Sub)
# What a set may be handed to: the answer does not depend on the order of the elements.
_ORDERLESS = frozenset({"all", "any", "bool", "frozenset", "len", "max", "min", "set", "sorted"})
# Calls whose result follows the order of the elements.
_ORDERED = frozenset(
    {"dict", "enumerate", "filter", "fromkeys", "iter", "join", "list", "map", "next", "reduce"}
    | {"reversed", "sum", "tuple", "zip", "extend", "deque", "chain"}
)


class Impurity(Struct, frozen=True, order=True):
    """Where a text is not pure: the line (1-based), and what is wrong there."""

    line: int
    message: str


def impurities(
    source: str, allowed: Collection[str] = (), *, printing: bool = False
) -> list[Impurity]:
    """Everything in a module's text that could make equal logs give different bytes.

    Sets may be asked for membership and size, and sorted; iterating over one is an impurity.
    What is a set is read from literals, constructors, operators and annotations of the same text.

    Parameters
    ----------
    allowed
        Modules that may be imported all the same, with all below them.
    printing
        Whether `print` may be called.

    Raises
    ------
    SyntaxError
        When the text is no Python.
    """
    tree = ast.parse(source)
    builtins = _IMPURE_BUILTINS - {"print"} if printing else _IMPURE_BUILTINS
    modules = _IMPURE_MODULES - {name.partition(".")[0] for name in allowed}
    found = [*_impure_names(tree, modules, builtins), *_SetIterations(tree).found()]
    return sorted(set(found))


def foreign_imports(source: str, allowed: Collection[str]) -> list[Impurity]:
    """Imports of a strategy's text that are none of `STRATEGY_LIBRARY`, Tapeline or `allowed`.

    Relative imports are of its own folder.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for name in _imported_modules(node):
                if not _is_allowed(name, allowed):
                    found.append(Impurity(node.lineno, f"imports {name}"))
    return sorted(set(found))


def _is_allowed(name: str, allowed: Collection[str]) -> bool:
    if name in STRATEGY_LIBRARY:
        return True
    return any(name == each or name.startswith(f"{each}.") for each in ("tapeline", *allowed))


def _impure_names(
    tree: ast.Module, modules: frozenset[str], builtins: frozenset[str]
) -> Iterator[Impurity]:
    origins = _imported_origins(tree)
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and _is_bound(node)}
    bound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for name in _imported_modules(node):
                if name.partition(".")[0] in modules:
                    yield Impurity(node.lineno, f"imports {name}")
        elif isinstance(node, ast.Attribute) and _reads_clock(node):
            yield Impurity(node.lineno, f"{ast.unparse(node)} reads the clock or the time zone")
        elif isinstance(node, ast.Attribute) and node.attr in _MACHINE_MEMBERS:
            yield Impurity(node.lineno, f"{ast.unparse(node)} has the machine's byte order")
        elif isinstance(node, ast.Attribute) and _root(node, origins) in modules:
            yield Impurity(node.lineno, f"uses {ast.unparse(node)}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in builtins:
                yield Impurity(node.lineno, f"calls {node.func.id}()")
        elif isinstance(node, ast.Name) and node.id in builtins - bound:
            yield Impurity(node.lineno, f"uses the builtin {node.id}")


def _reads_clock(node: ast.Attribute) -> bool:
    """Whether a member of `datetime`'s classes is named; a field of our own may be called so."""
    own = isinstance(node.value, ast.Name) and node.value.id == "self"
    return node.attr in _CLOCK_MEMBERS and not own


def _is_bound(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def _imported_modules(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if node.module and node.level == 0 else []


def _imported_origins(tree: ast.Module) -> dict[str, str]:
    """Local name -> top module, for names that imports bind."""
    origins = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                origins[alias.asname or top] = top
    return origins


def _root(node: ast.Attribute, origins: dict[str, str]) -> str | None:
    value: ast.expr = node
    while isinstance(value, ast.Attribute):
        value = value.value
    if not isinstance(value, ast.Name):
        return None
    return origins.get(value.id)


class _SetIterations:
    """Finds iteration over set-valued expressions in one module.

    Types are not inferred: a local name or attribute counts as a set if it is annotated as one or
    assigned a set expression in the same function, an attribute anywhere in the module.
    """

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._parents = {
            child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)
        }
        self._names: set[tuple[ast.AST, str]] = set()
        self._attributes: set[str] = set()
        self._functions: set[str] = set()
        # Twice: a name may be assigned from one that is only known after the first pass.
        self._collect()
        self._collect()

    def found(self) -> Iterator[Impurity]:
        """Each iteration whose order the hash seed would decide."""
        for node in ast.walk(self._tree):
            for iterated in self._iterated(node):
                if self._is_set(iterated):
                    text = ast.unparse(iterated)
                    yield Impurity(iterated.lineno, f"iterates over the set {text}: sort it first")

    def _iterated(self, node: ast.AST) -> Iterator[ast.expr]:
        if isinstance(node, (ast.For, ast.AsyncFor)):
            yield node.iter
        elif isinstance(node, (ast.ListComp, ast.DictComp, ast.GeneratorExp)):
            if not self._feeds_orderless(node):
                yield from (generator.iter for generator in node.generators)
        elif isinstance(node, (ast.Starred, ast.YieldFrom)):
            yield node.value
        elif isinstance(node, ast.Call):
            name = _called(node)
            if name in _ORDERED:
                yield from node.args
            elif name == "pop" and isinstance(node.func, ast.Attribute) and not node.args:
                yield node.func.value
        elif isinstance(node, ast.Assign) and _unpacks(node):
            yield node.value

    def _feeds_orderless(self, node: ast.AST) -> bool:
        parent = self._parents.get(node)
        return isinstance(parent, ast.Call) and _called(parent) in _ORDERLESS

    def _collect(self) -> None:
        for node in ast.walk(self._tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                if _is_set_annotation(node.returns):
                    self._functions.add(node.name)
            elif isinstance(node, ast.arg):
                if _is_set_annotation(node.annotation):
                    self._names.add((self._scope(node), node.arg))
            elif isinstance(node, ast.AnnAssign):
                if _is_set_annotation(node.annotation):
                    self._remember(node.target)
            elif isinstance(node, (ast.Assign, ast.NamedExpr)) and self._is_set(node.value):
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    self._remember(target)

    def _remember(self, target: ast.expr) -> None:
        if isinstance(target, ast.Attribute):
            self._attributes.add(target.attr)
        elif isinstance(target, ast.Name):
            scope = self._scope(target)
            self._names.add((scope, target.id))
            if isinstance(scope, ast.ClassDef):
                self._attributes.add(target.id)

    def _scope(self, node: ast.AST) -> ast.AST:
        scopes = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.Module)
        while not isinstance(node, scopes):
            node = self._parents[node]
        return node

    def _is_set(self, node: ast.expr) -> bool:
        if isinstance(node, (ast.Set, ast.SetComp)):
            return True
        if isinstance(node, ast.Name):
            return self._is_set_name(node)
        if isinstance(node, ast.Attribute):
            return node.attr in self._attributes
        if isinstance(node, ast.BoolOp):
            return any(self._is_set(value) for value in node.values)
        if isinstance(node, ast.IfExp):
            return self._is_set(node.body) or self._is_set(node.orelse)
        if isinstance(node, ast.BinOp) and isinstance(node.op, _SET_OPERATORS):
            sides = (node.left, node.right)
            return any(self._is_set(side) or _is_key_view(side) for side in sides)
        if isinstance(node, ast.Call):
            return self._is_set_call(node)
        return False

    def _is_set_name(self, node: ast.Name) -> bool:
        scope = self._scope(node)
        while (scope, node.id) not in self._names:
            if isinstance(scope, ast.Module):
                return False
            scope = self._scope(self._parents[scope])
        return True

    def _is_set_call(self, node: ast.Call) -> bool:
        name = _called(node)
        if name in {"set", "frozenset"} | _SET_METHODS | self._functions:
            return True
        return (
            name == "copy"
            and isinstance(node.func, ast.Attribute)
            and self._is_set(node.func.value)
        )


def _unpacks(node: ast.Assign) -> bool:
    return any(isinstance(target, (ast.Tuple, ast.List)) for target in node.targets)


def _called(node: ast.Call) -> str | None:
    if isinstance(node.func, ast.Name):
        return node.func.id
    return node.func.attr if isinstance(node.func, ast.Attribute) else None


def _is_key_view(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and _called(node) in {"items", "keys"}


def _is_set_annotation(node: ast.expr | None) -> bool:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        node = ast.parse(node.value, mode="eval").body
    if isinstance(node, ast.BinOp):
        return _is_set_annotation(node.left) or _is_set_annotation(node.right)
    if isinstance(node, ast.Subscript):
        if _annotation_name(node.value) in {"Final", "ClassVar"}:
            return _is_set_annotation(node.slice)
        return _annotation_name(node.value) in _SET_TYPES
    return _annotation_name(node) in _SET_TYPES


def _annotation_name(node: ast.expr | None) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None
