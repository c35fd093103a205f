"""What a piece of code does to names that other code rests on: built-ins, modules, and what is imported from them."""

from __future__ import annotations

import ast
import builtins as builtin_names
import importlib
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache

from generator.lint.names import Names, parsed, read_names

_SAME = frozenset({"asyncio.TimeoutError", "asyncio.exceptions.TimeoutError", "concurrent.futures.TimeoutError"})
"""Other names of built-ins, from Python 3.11 on."""
_SETTERS = frozenset({"setattr", "delattr"})
_METHODS = frozenset({"__setattr__", "__delattr__"})
_SURROUNDINGS = frozenset({"sys.stdin", "sys.argv", "sys.path"})
"""What comes from outside of a program in any case, as its environment does."""
_NEVER_IMPORTED = frozenset({"antigravity", "this", "idlelib", "turtle", "turtledemo", "tkinter", "test", "__main__"})
_NAMESPACES = frozenset({"globals", "vars"})
_INWARD = frozenset({"__builtins__", "__globals__"})
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


def replacements(
    code: str, builtins: Collection[str], prelude: Names, read: Collection[str] | None
) -> Iterator[Replacement]:
    """Every change in `code` to what a name means that its reader knows: a built-in's, a module's, the prelude's.

    `read` are the names that the shown code reads; None if they are not known. Nobody is misled by the others.
    """
    names, tree = read_names(code), parsed(code)
    if names is None or tree is None:
        return
    rows = code.split("\n")
    for name, origins in names.origins.items():
        what = _rebinds(name, origins, builtins, prelude)
        if what and (read is None or name in read):
            yield _at(_binding(tree, name), what, rows)
    imported = {name for known in (names, prelude) for name, origins in known.origins.items() if any(origins)}
    imported |= {name for node in ast.walk(tree) for name in _imports(node)} | _NAMESPACES
    aliases = set(_aliases(tree, imported))
    imported |= aliases
    origins_of = prelude.origins | names.origins
    known = {name for name in {*builtins, *prelude.origins} if read is None or name in read}
    for node, visible in _in_scopes(tree, frozenset(imported), aliases):
        try:
            what = _changes(node, visible, origins_of, known)
        except RecursionError:  # nested too deep to be put into words
            continue
        if what:
            yield _at(node, what, rows)


def _in_scopes(
    tree: ast.Module, imported: frozenset[str], aliases: Collection[str]
) -> Iterator[tuple[ast.AST, frozenset[str]]]:
    """Every node, and what is imported as seen from there: a function's own names hide it."""
    left: list[tuple[ast.AST, frozenset[str]]] = [(tree, imported)]
    while left:
        node, visible = left.pop()
        yield node, visible
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            visible = visible - (_locals(node) - set(aliases))
        left += [(child, visible) for child in reversed(list(ast.iter_child_nodes(node)))]


def _locals(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> set[str]:
    """Names that a function gives a meaning of its own, which is none that it imports."""
    nodes = list(ast.walk(function))
    names = {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}
    names |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in nodes:
        names -= set(node.names) if isinstance(node, ast.Global) else set(_imports(node))
    return names


def _imports(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)


def _rebinds(name: str, origins: set[str], builtins: Collection[str], prelude: Names) -> str:
    if name in prelude.origins:
        return "" if origins <= prelude.origins[name] else f"binds `{name}` anew, a name of the prelude"
    if name in builtins and not all(origin == f"builtins.{name}" or origin in _SAME for origin in origins):
        return f"binds `{name}`, the name of a built-in"
    foreign = [origin for origin in origins if origin and not _is_called(origin, name)]
    if name in sys.stdlib_module_names and (foreign or (name == "asyncio" and "" in origins)):
        return f"binds `{name}`, the name of a module, to something else"
    return ""


def _is_called(origin: str, name: str) -> bool:
    """Whether what is imported is known by that very name: `datetime.datetime`, `collections.abc`."""
    first, _, last = origin.partition(".")
    own_name = last.rpartition(".")[2] == name and name != "asyncio" and first in sys.stdlib_module_names
    return first == name or own_name


def _aliases(tree: ast.Module, imported: Collection[str]) -> Iterator[str]:
    """Names to which something imported is assigned as it is."""
    for node in [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]:
        if isinstance(node.value, ast.Name | ast.Attribute | ast.Call) and _root(node.value) in imported:
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _changes(node: ast.AST, imported: Collection[str], origins: dict[str, set[str]], known: Collection[str]) -> str:
    if isinstance(node, ast.ImportFrom) and node.names[0].name == "*" and node.module != "asyncio":
        exported = _exported(node.module or "")
        replaced = exported is None or exported & set(known)
        return f"imports everything from `{node.module}`, and so may replace any name" if replaced else ""
    if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load) and _root(node) in imported:
        text = ast.unparse(node)
        return f"changes `{text}`" if text not in _SURROUNDINGS else ""
    if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        if not _is_namespace(node.value, imported) or (_is_own(node.value) and _is_new(node.slice, known)):
            return ""
        return f"changes `{ast.unparse(node.value)}`"
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
        targets = [function.value, *node.args[:1]]
        return f"changes something by `{ast.unparse(function)}`" if _any_in(targets, imported) else ""
    elif isinstance(function, ast.Attribute) and function.attr in _CHANGES and _is_namespace(function.value, imported):
        return f"changes `{ast.unparse(function.value)}`"
    mocks = any(origin.startswith("unittest") for origin in origins.get(_root(function), ()))
    return f"changes something by `{ast.unparse(function)}`" if mocks and _patches(node, imported) else ""


def _patches(node: ast.Call, imported: Collection[str]) -> bool:
    """Whether a call of `unittest.mock` puts something in the place of what is not the program's own."""
    *_, owner, name = ["", *ast.unparse(node.func).split(".")]
    target = node.args[0] if node.args else None
    if owner == "patch" and name == "dict":
        text = target.value if isinstance(target, ast.Constant) else ""
        return text == "sys.modules" or (isinstance(target, ast.expr) and _is_namespace(target, imported))
    if "patch" not in (owner, name) or target is None:
        return "patch" in (owner, name)
    if isinstance(target, ast.Constant):
        return not str(target.value).startswith("__main__.")
    return _any_in([target], imported)


def _any_in(targets: Collection[ast.expr], imported: Collection[str]) -> bool:
    return any(_root(target) in imported for target in targets)


def _is_own(node: ast.expr) -> bool:
    """Whether it is the program's own dictionary of names."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args


def _is_new(key: ast.expr, known: Collection[str]) -> bool:
    return isinstance(key, ast.Constant) and key.value not in known


@lru_cache
def _exported(module: str) -> frozenset[str] | None:
    """The names that a star import of a module of the standard library binds; None where nobody can say."""
    first = module.partition(".")[0]
    if first not in sys.stdlib_module_names or first in _NEVER_IMPORTED:
        return None
    try:
        names = vars(importlib.import_module(module))
    except Exception:  # not on this system, or not in this Python
        return None
    return frozenset(names.get("__all__") or [name for name in names if not name.startswith("_")])


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
        if isinstance(node, ast.Attribute) and node.attr == "__self__" and _is_builtin(node.value):
            return "vars"  # the module that a built-in function belongs to
        node = node.value
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func).rpartition(".")[2]
        return "vars" if name in _IMPORTERS else ""
    if not isinstance(node, ast.Name):
        return ""
    return "vars" if node.id in _INWARD else node.id


def _is_builtin(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and hasattr(builtin_names, node.id)


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
