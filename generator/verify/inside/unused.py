"""Calls of asynchronous generators whose result is dropped on the spot: Python never warns of them.

Such a call runs nothing, as a coroutine that is never awaited, but what it makes leaves without a word. It is certain
from the code alone where the name means one thing in the whole program and the call is bound to run.
"""

from __future__ import annotations

import ast
import inspect
import types
from collections import Counter
from collections.abc import Iterator

from .sightings import Site
from .steps import Step

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_PLAIN = (*_FUNCTIONS, ast.ClassDef, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith)


def dropped_generators(steps: list[Step]) -> Iterator[tuple[Site, str]]:
    """Where a program calls an asynchronous generator as a statement, and its name."""
    if not any(_makes_generator(step.code) for step in steps):
        return
    try:
        trees = [(step, ast.parse("\n" * (step.line - 1) + step.source)) for step in steps]
    except (SyntaxError, RecursionError, MemoryError):
        return  # what compiles need not parse into a tree: the tree may be too deep
    nodes = [node for _, tree in trees for node in ast.walk(tree)]
    bound, functions, methods = _bound(nodes), _generators(nodes), set()
    for owner in nodes:
        if isinstance(owner, ast.ClassDef):
            methods |= {node.name for node in owner.body if isinstance(node, _FUNCTIONS)} & functions
    loaded = {
        _name(node) for node in nodes if isinstance(node, ast.expr) and isinstance(getattr(node, "ctx", None), ast.Load)
    }
    for step, tree in trees:
        for node in _dropped_calls(tree.body, loaded):
            called = node.func
            if isinstance(called, ast.Name):
                name, known = called.id, called.id not in methods
            elif isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
                name, known = called.attr, called.attr in methods and called.value.id == "self"
            else:
                continue
            if known and name in functions and bound[name] == 1:
                yield (step.name, node.lineno), name


def _dropped_calls(body: list[ast.stmt], loaded: set[str]) -> Iterator[ast.Call]:
    """Calls that are statements, where they certainly run, and where nobody waits for the call itself to fail."""
    for node in body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield node.value
        elif isinstance(node, _PLAIN) and not _may_not_run(node, loaded):
            yield from _dropped_calls(node.body, loaded)
        elif isinstance(node, ast.Try):
            yield from _dropped_calls([*([] if node.handlers else node.body), *node.finalbody], loaded)
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Compare) and _name(node.test.left) == "__name__":
            yield from _dropped_calls(node.body, loaded)


def _may_not_run(node: ast.stmt, loaded: set[str]) -> bool:
    """Whether it is a function that nobody mentions, or a block that an error may leave early."""
    if isinstance(node, _FUNCTIONS):
        return not (node.name in loaded or node.name.startswith("__"))
    return isinstance(node, ast.With | ast.AsyncWith) and any(_expects_errors(item) for item in node.items)


def _expects_errors(item: ast.withitem) -> bool:
    called = item.context_expr
    words = ("suppress", "raise")  # contextlib.suppress, pytest.raises, self.assertRaises, self.assertRaisesRegex
    return isinstance(called, ast.Call) and any(word in _name(called.func).lower() for word in words)


def _makes_generator(code: types.CodeType) -> bool:
    return any(
        isinstance(item, types.CodeType) and (item.co_flags & inspect.CO_ASYNC_GENERATOR or _makes_generator(item))
        for item in code.co_consts
    )


def _bound(nodes: list[ast.AST]) -> Counter[str]:
    """How often each name, or attribute, is given a meaning."""
    count: Counter[str] = Counter()
    for node in nodes:
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            count[node.name] += 1
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            count[node.id] += 1
        elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            count[node.attr] += 1
        elif isinstance(node, ast.arg):
            count[node.arg] += 1
        elif isinstance(node, ast.alias):
            count[(node.asname or node.name).split(".")[0]] += 1
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            count[node.name] += 1
    return count


def _generators(nodes: list[ast.AST]) -> set[str]:
    """Names of the asynchronous generators that are decorated with nothing, or as context managers."""
    return {
        node.name
        for node in nodes
        if isinstance(node, ast.AsyncFunctionDef)
        and _yields(node)
        and all(_name(item) == "asynccontextmanager" for item in node.decorator_list)
    }


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _yields(function: ast.AsyncFunctionDef) -> bool:
    left: list[ast.AST] = list(function.body)
    while left:
        node = left.pop()
        if isinstance(node, ast.Yield):
            return True
        if not isinstance(node, (*_FUNCTIONS, ast.ClassDef, ast.Lambda)):
            left += ast.iter_child_nodes(node)
    return False
