"""A program's pieces before it runs: compiled, and looked at for whether they need a running loop."""

from __future__ import annotations
import __future__ as future_features

import ast
import asyncio
import inspect
import types
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .wire import clipped

_FUTURE_FLAGS = 0
for _name in future_features.all_feature_names:
    _FUTURE_FLAGS |= getattr(future_features, _name).compiler_flag

_TOP_LEVEL_AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_STARTS_A_LOOP = frozenset({"run", "Runner", "run_until_complete", "run_forever"})
_ASYNC_TEST = "IsolatedAsyncioTestCase"  # runs each test in a loop of its own


_NOTHING = compile("", "nothing", "exec")


@dataclass
class Step:
    """One piece of a program: its job entry, and its code once compiled."""

    name: str
    line: int
    source: str
    tree: ast.Module = field(default_factory=lambda: ast.Module([], []))
    """Made only where the code does not await: then it tells whether it needs a loop."""
    code: types.CodeType = _NOTHING

    @property
    def awaits(self) -> bool:
        """Whether its code is a coroutine: something at its top level awaits."""
        return bool(self.code.co_flags & inspect.CO_COROUTINE)


def compile_all(steps: list[Step]) -> tuple[int, dict[str, Any]] | None:
    """Compile every step before any runs; a later step keeps the `__future__` features of an earlier one.

    Where that fails: the index of the step, and a report entry.
    """
    flags = 0
    for index, step in enumerate(steps):
        source = "\n" * (step.line - 1) + step.source
        try:
            step.code = compile(source, step.name, "exec", _TOP_LEVEL_AWAIT | flags, dont_inherit=True)
            if not step.awaits:
                step.tree = compile(source, step.name, "exec", ast.PyCF_ONLY_AST | flags, dont_inherit=True)
        except SyntaxError as error:
            return index, {
                "kind": "syntax",
                "text": clipped(error.msg),
                "sites": [(step.name, error.lineno or step.line)],
                "column": error.offset,
                "end_column": error.end_offset if error.end_lineno == error.lineno else None,
            }
        except (ValueError, RecursionError, MemoryError, OverflowError) as error:
            text = f"{type(error).__name__}: {clipped(error)}"
            return index, {"kind": "syntax", "text": text, "sites": [(step.name, step.line)]}
        flags |= step.code.co_flags & _FUTURE_FLAGS
    return None


def needs_loop(steps: list[Step], *, script: bool) -> bool:
    """Whether the program runs inside a running loop; the rule is in the note format, "in or out of a loop"."""
    if any(step.awaits for step in steps):
        return True
    if script:
        return False
    names = _asyncio_names(step.tree for step in steps)
    nodes = [node for step in steps if step.name != "prelude.py" for node in ast.walk(step.tree)]
    if any(isinstance(node, ast.Name | ast.Attribute) and _named(node) == _ASYNC_TEST for node in nodes):
        return False
    if any(isinstance(node, ast.Call) and _starts_a_loop(node.func, names) for node in nodes):
        return False
    return any(isinstance(node, ast.Name) and node.id in names for node in nodes)


def _named(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def _asyncio_names(trees: Iterable[ast.Module]) -> dict[str, str]:
    """Names that stand for asyncio ("") or for something of it, as imported anywhere in the program."""
    names: dict[str, str] = {}
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "asyncio":
                    names[(alias.asname or alias.name).split(".")[0]] = ""
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "asyncio":
            for alias in node.names:
                known = asyncio.__all__ if alias.name == "*" else (alias.name,)
                names |= {name if alias.name == "*" else alias.asname or name: name for name in known}
    return names


def _starts_a_loop(function: ast.expr, names: dict[str, str]) -> bool:
    if isinstance(function, ast.Name):
        return names.get(function.id, "") in _STARTS_A_LOOP
    if not isinstance(function, ast.Attribute):
        return False
    if function.attr in ("run_until_complete", "run_forever"):
        return True
    if function.attr not in ("run", "Runner"):
        return False
    root = function.value
    while isinstance(root, ast.Attribute):
        root = root.value
    return isinstance(root, ast.Name) and names.get(root.id) == ""
