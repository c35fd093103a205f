"""The names that a piece of Python binds and reads, by the language's rules of scopes, without running it."""

# ruff: noqa: N815 - the names of the methods are ast.NodeVisitor's
from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Use:
    """A name read at module level or from within, and bound in no scope between.

    `line` counts from 1, `byte` from 0 in the line's UTF-8, as in `ast`. `at_once` is false in functions, which run
    later; `order` tells what comes first. `guarded`: a `NameError` there is caught.
    """

    name: str
    line: int
    byte: int
    at_once: bool
    order: int
    guarded: bool


@dataclass(frozen=True, slots=True)
class Names:
    """Names that code binds at module level, with the order of the first time; a star import binds any.

    `origins` tells of each bound name what was imported under it, "module" or "module.name"; "" is anything else.
    """

    bound: dict[str, int] = field(default_factory=dict)
    uses: tuple[Use, ...] = ()
    star: bool = False
    origins: dict[str, set[str]] = field(default_factory=dict)


@lru_cache(maxsize=512)
def parsed(code: str) -> ast.Module | None:
    """The syntax tree of a piece of code; None where it does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@lru_cache(maxsize=512)  # a file's set-up is asked for again with each of its notes
def read_names(code: str) -> Names | None:
    """The names of a piece of code, by Python's rules of scopes; None where it does not parse."""
    try:
        tree = parsed(code)
        if tree is None:
            return None
        reader = _NameReader()
        reader.visit(tree)
    except (ValueError, RecursionError, MemoryError):
        return None
    return Names(reader.module.bound, tuple(reader.free_uses()), reader.star, reader.origins)


@dataclass(slots=True)
class _Scope:
    kind: str  # module, function, class, comprehension, or types: the parameters of a generic one
    parent: _Scope | None = None
    bound: dict[str, int] = field(default_factory=dict)
    of_module: set[str] = field(default_factory=set)
    of_outer: set[str] = field(default_factory=set)

    @property
    def is_late(self) -> bool:
        """Whether the code runs later than where it stands."""
        scope: _Scope | None = self
        while scope:
            if scope.kind == "function":
                return True
            scope = scope.parent
        return False


class _NameReader(ast.NodeVisitor):
    """Visits code in the order in which it runs, and notes down where names are bound and read."""

    def __init__(self) -> None:
        self.module = self.scope = _Scope("module")
        self.read: list[tuple[_Scope, Use]] = []
        self.order = 0
        self.guards = 0
        self.star = False
        self.origins: dict[str, set[str]] = {}

    def free_uses(self) -> Iterator[Use]:
        """Uses that no scope but the module's can answer."""
        for scope, use in self.read:
            if self._owner(scope, use) is self.module:
                yield use

    def _owner(self, start: _Scope, use: Use) -> _Scope:
        scope: _Scope | None = start
        while scope and scope is not self.module:
            if use.name in scope.of_module:
                return self.module
            seen = scope.kind != "class" or (scope is start and scope.bound.get(use.name, use.order) < use.order)
            if seen and use.name in scope.bound:
                return scope
            scope = scope.parent
        return self.module

    def bind(self, name: str, scope: _Scope | None = None, origin: str = "") -> None:
        scope = scope or self.scope
        self.order += 1
        if name in scope.of_outer:
            return
        scope = self.module if name in scope.of_module else scope
        scope.bound.setdefault(name, self.order)
        if scope is self.module:
            self.origins.setdefault(name, set()).add(origin)

    def use(self, name: str, node: ast.expr) -> None:
        self.order += 1
        late = self.scope.is_late
        self.read.append((self.scope, Use(name, node.lineno, node.col_offset, not late, self.order, self.guards > 0)))

    def each(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    def within(self, kind: str, nodes: Iterable[ast.AST | None], names: Iterable[str] = ()) -> None:
        """Visits nodes in a scope of their own, in which `names` are bound."""
        outer, self.scope = self.scope, _Scope(kind, self.scope)
        for name in names:
            self.bind(name)
        self.each(nodes)
        self.scope = outer

    # --- expressions ---

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self.bind(node.id)
        else:
            self.use(node.id, node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        scope = self.scope
        while scope.kind == "comprehension" and scope.parent:
            scope = scope.parent
        self.bind(node.target.id, scope)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.each([*node.args.defaults, *node.args.kw_defaults])
        self.within("function", [node.body], _parameters(node.args))

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> None:
        self._comprehension(node.generators, [node.elt])

    visit_SetComp = visit_GeneratorExp = visit_ListComp

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehension(node.generators, [node.key, node.value])

    def _comprehension(self, generators: list[ast.comprehension], results: list[ast.expr]) -> None:
        first, *rest = generators
        self.visit(first.iter)  # the only part that belongs to the scope around
        inner: list[ast.AST] = [first.target, *first.ifs]
        for generator in rest:
            inner += [generator.iter, generator.target, *generator.ifs]
        self.within("comprehension", [*inner, *results])

    # --- statements ---

    def visit_Assign(self, node: ast.Assign) -> None:
        self.each([node.value, *node.targets])

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.each([node.value, node.annotation])
        is_name = isinstance(node.target, ast.Name)
        if node.value is not None or not is_name or self.scope.kind == "function":
            self.visit(node.target)  # without a value, only a function's local comes of it

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.use(node.target.id, node.target)
        self.each([node.value, node.target])

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.each([node.iter, node.target, *node.body, *node.orelse])

    visit_AsyncFor = visit_For

    def visit_Global(self, node: ast.Global) -> None:
        if self.scope is not self.module:
            self.scope.of_module.update(node.names)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.scope.of_outer.update(node.names)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            top = alias.name.partition(".")[0]
            self.bind(alias.asname or top, origin=alias.name if alias.asname else top)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                self.star = True
            else:
                self.bind(alias.asname or alias.name, origin=f"{node.module}.{alias.name}")

    def visit_Try(self, node: ast.Try | ast.TryStar) -> None:
        guarded = any(_catches_name_errors(handler) for handler in node.handlers)
        self.guards += guarded
        self.each(node.body)
        self.guards -= guarded
        self.each([*node.handlers, *node.orelse, *node.finalbody])

    visit_TryStar = visit_Try

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self.each([node.type])
        if node.name:
            self.bind(node.name)
        self.each(node.body)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        arguments = node.args
        self.each([*node.decorator_list, *arguments.defaults, *arguments.kw_defaults])
        self._generic(node, [*_annotations(arguments), node.returns], "function", node.body, _parameters(arguments))
        self.bind(node.name)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.each(node.decorator_list)
        self._generic(node, [*node.bases, *(keyword.value for keyword in node.keywords)], "class", node.body, ())
        self.bind(node.name)

    def visit_TypeAlias(self, node: ast.AST) -> None:
        self._generic(node, [], "function", [getattr(node, "value", None)], ())
        self.visit(getattr(node, "name"))  # noqa: B009 - `ast.TypeAlias` is newer than the oldest Python we run on

    def _generic(
        self,
        node: ast.AST,
        head: list[ast.expr | None],
        kind: str,
        body: Iterable[ast.AST | None],
        names: Iterable[str],
    ) -> None:
        """A function, class or alias: its type parameters are known to its head and body alone."""
        parameters: list[ast.AST] = getattr(node, "type_params", [])
        outer = self.scope
        if parameters:
            self.scope = _Scope("types", outer)
            for parameter in parameters:
                self.bind(getattr(parameter, "name", ""))
                self.each([getattr(parameter, "bound", None), getattr(parameter, "default_value", None)])
        self.each(head)
        self.within(kind, body, names)
        self.scope = outer

    # --- patterns ---

    def visit_MatchAs(self, node: ast.MatchAs | ast.MatchStar) -> None:
        self.generic_visit(node)
        if node.name:
            self.bind(node.name)

    visit_MatchStar = visit_MatchAs

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.generic_visit(node)
        if node.rest:
            self.bind(node.rest)


def _parameters(arguments: ast.arguments) -> list[str]:
    return [argument.arg for argument in _all_arguments(arguments)]


def _annotations(arguments: ast.arguments) -> list[ast.expr | None]:
    return [argument.annotation for argument in _all_arguments(arguments)]


def _all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    optional = [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *optional]


def _catches_name_errors(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    caught = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
    return bool(caught & {"NameError", "UnboundLocalError", "Exception", "BaseException"})
