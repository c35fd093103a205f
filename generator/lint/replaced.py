"""What a piece of code does to names that other code rests on: built-ins, modules, and what is imported from them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from generator.lint.names import Names, parsed, read_names

_SAME = frozenset({"asyncio.TimeoutError", "asyncio.exceptions.TimeoutError", "concurrent.futures.TimeoutError"})
"""Other names of built-ins, from Python 3.11 on."""
_SETTERS = frozenset({"setattr", "delattr"})
_METHODS = frozenset({"__setattr__", "__delattr__"})
_NAMESPACES = frozenset({"globals", "vars"})
_INWARD = frozenset({"__builtins__", "__globals__", "__self__"})
"""Attributes that lead from anything to the names of a module."""
_IMPORTERS = frozenset({"__import__", "import_module"})
_CHANGES = frozenset({"update", "setdefault", "pop", "clear", "__setitem__", "__delitem__"})


@dataclass(frozen=True, slots=True)
class Replacement:
    """One change: `what` it does, in words that follow "the code", and the text where it stands (line and column
    from 1, in code points)."""

    what: str
    line: int
    column: int
    text: str


def replacements(code: str, builtins: Collection[str], prelude: Names) -> Iterator[Replacement]:
    """Every change in `code` to what a name means that its reader knows: a built-in's, a module's, the prelude's."""
    names, tree = read_names(code), parsed(code)
    if names is None or tree is None:
        return
    rows = code.split("\n")
    for name, origins in names.origins.items():
        what = _rebinds(name, origins, builtins, prelude)
        if what:
            yield _at(_binding(tree, name), what, rows)
    imported = {name for known in (names, prelude) for name, origins in known.origins.items() if any(origins)}
    imported |= _NAMESPACES
    imported |= set(_aliases(tree, imported))
    origins_of = prelude.origins | names.origins
    for node in ast.walk(tree):
        try:
            what = _changes(node, imported, origins_of)
        except RecursionError:  # nested too deep to be put into words
            continue
        if what:
            yield _at(node, what, rows)


def _rebinds(name: str, origins: set[str], builtins: Collection[str], prelude: Names) -> str:
    if name in prelude.origins:
        return "" if origins <= prelude.origins[name] else f"binds `{name}` anew, a name of the prelude"
    if name in builtins and not all(origin == f"builtins.{name}" or origin in _SAME for origin in origins):
        return f"binds `{name}`, the name of a built-in"
    foreign = [origin for origin in origins if origin and origin.partition(".")[0] != name]
    if name in sys.stdlib_module_names and (foreign or (name == "asyncio" and "" in origins)):
        return f"binds `{name}`, the name of a module, to something else"
    return ""


def _aliases(tree: ast.Module, imported: Collection[str]) -> Iterator[str]:
    """Names to which something imported is assigned as it is."""
    for node in [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]:
        if isinstance(node.value, ast.Name | ast.Attribute) and _root(node.value) in imported:
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _changes(node: ast.AST, imported: Collection[str], origins: dict[str, set[str]]) -> str:
    if isinstance(node, ast.ImportFrom) and node.names[0].name == "*" and node.module != "asyncio":
        return f"imports everything from `{node.module}`, and so may replace any name"
    if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load) and _root(node) in imported:
        return f"changes `{ast.unparse(node)}`"
    if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        return f"changes `{ast.unparse(node.value)}`" if _is_namespace(node.value, imported) else ""
    if isinstance(node, ast.Call):
        return _calls(node, imported, origins)
    return ""


def _calls(node: ast.Call, imported: Collection[str], origins: dict[str, set[str]]) -> str:
    function = node.func
    if isinstance(function, ast.Name):
        if function.id in _SETTERS and node.args and _root(node.args[0]) in imported:
            return f"changes `{ast.unparse(node.args[0])}`"
        if function.id == "exec":
            return "runs text as code, which nobody can see through"
    elif isinstance(function, ast.Attribute) and function.attr in _METHODS:
        return f"changes something by `{ast.unparse(function)}`"
    elif isinstance(function, ast.Attribute) and function.attr in _CHANGES and _is_namespace(function.value, imported):
        return f"changes `{ast.unparse(function.value)}`"
    mocks = any(origin.startswith("unittest") for origin in origins.get(_root(function), ()))
    return f"changes something by `{ast.unparse(function)}`" if mocks and "patch" in ast.unparse(function) else ""


def _is_namespace(node: ast.expr, imported: Collection[str]) -> bool:
    """Whether it is a module's or the program's own dictionary of names, or that of all modules."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _NAMESPACES:
        return not node.args or _root(node.args[0]) in imported
    if isinstance(node, ast.Attribute) and node.attr in {"__dict__", "modules"}:
        return _root(node) in imported
    return (node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")) in _INWARD


def _root(node: ast.expr) -> str:
    """The name at the left end of `a.b.c`; "vars" where the way leads to a module that is not imported by name."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Attribute) and node.attr in _INWARD:
            return "vars"
        node = node.value
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func).rpartition(".")[2]
        return "vars" if name in _IMPORTERS else ""
    if not isinstance(node, ast.Name):
        return ""
    return "vars" if node.id in _INWARD else node.id


def _binding(tree: ast.Module, name: str) -> ast.AST:
    """Where `name` is bound first."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
            return node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler) and (
            node.name == name
        ):
            return node
        if isinstance(node, ast.Import | ast.ImportFrom) and any(
            (alias.asname or alias.name.partition(".")[0]) == name for alias in node.names
        ):
            return node
    return tree.body[0]


def _at(node: ast.AST, what: str, rows: list[str]) -> Replacement:
    """The first line of a node."""
    line = getattr(node, "lineno", 1)
    row = rows[min(line, len(rows)) - 1]
    encoded = row.encode()
    begin = len(encoded[: getattr(node, "col_offset", 0)].decode(errors="ignore"))
    same_line = getattr(node, "end_lineno", line) == line
    end = len(encoded[: getattr(node, "end_col_offset", len(encoded))].decode(errors="ignore")) if same_line else None
    return Replacement(what, line, begin + 1, row[begin:end].rstrip())
