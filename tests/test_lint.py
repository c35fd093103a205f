"""The lint rules, on notes as an author writes them."""

from __future__ import annotations

import asyncio
import inspect
import symtable
import sys
from pathlib import Path

import pytest

from generator.diagnostics import Diagnostic
from generator.lint import CHECKS, lint_deck
from generator.lint.names import read_names
from generator.notes import DeckFolder
from generator.parse import parse_deck

CONFIG = "name: X\nnamespace: n\nprelude: {prelude}\n"


def lint(text: str, *, prelude: str = "import asyncio", name: str = "1.md") -> list[Diagnostic]:
    data = f"---\ndeck: D\n---\n\n{text}".encode()
    config = CONFIG.format(prelude=prelude).encode()
    deck, found = parse_deck(DeckFolder(Path("d"), "d", config, ((name, data),)))
    assert [fault.message for fault in found] == []
    assert deck is not None
    return lint_deck(deck)


def question(code: str, *, setup: str = "", info: str = "", metadata: str = "", after: str = "") -> str:
    hidden = f"```python setup\n{setup}\n```\n\n" if setup else ""
    return f"{hidden}## Q\n<!--\nid: q\n{metadata}\n-->\n\n```python {info}\n{code}\n```\n{after}\n### Answer\n\nA.\n"


def hidden(code: str, *, setup: str = "hidden = 1", prelude: str = "import asyncio", info: str = "") -> list[str]:
    """The names in a question's code that are reported, as the source has them."""
    found = lint(question(code, setup=setup, info=info), prelude=prelude)
    assert {fault.code for fault in found} <= {"L001"}
    return [fault.span.text for fault in found]


SHOWN = {
    "built-ins": "print(len([1]), __name__, __file__, __debug__, ExceptionGroup)",
    "the prelude's names": "await asyncio.sleep(0)",
    "a parameter": "def f(hidden, *a, k=1, **kw): return hidden, a, k, kw",
    "a lambda's parameter": "f = lambda hidden, /, *a, **kw: (hidden, a, kw)",
    "a list comprehension": "x = [hidden for hidden in range(3) if hidden]",
    "nested comprehensions": "x = {a: b for hidden in [[1]] for a in hidden for b in hidden}",
    "a generator": "x = sum(hidden * y for hidden in [1] for y in [2])",
    "a walrus": "if hidden := 1: print(hidden)",
    "a walrus in a comprehension": "x = [hidden := y for y in [1]]\nprint(hidden)",
    "a for loop": "for hidden in []: print(hidden)\nelse: print(hidden)",
    "async for and with": "async with x() as hidden:\n    async for y in hidden: print(y)\nasync def x(): ...",
    "with and unpacking": "with open('x') as (a, [hidden, *rest]): print(a, hidden, rest)",
    "an exception": "try: pass\nexcept* ValueError as hidden: print(hidden)",
    "an import": "import hidden.part\nhidden.part",
    "an import under a name": "from a import b as hidden\nimport c.d as e\nhidden, e",
    "patterns": "match [1]:\n    case [hidden, *rest]: print(hidden, rest)\n"
    "    case {'a': 1, **more}: print(more)\n    case int() as n: print(n)",
    "a later definition": "def f(): return hidden()\ndef hidden(): return 1\nf()",
    "a class and its methods": "class A:\n    hidden = 1\n    def m(self): return A.hidden, __class__",
    "a class body": "class A:\n    hidden = 1\n    x = hidden\n    y: int = hidden",
    "a keyword and an attribute": "x = dict(hidden=1)\nx.hidden = 2\nprint(x.hidden)",
    "global from within": "def f():\n    global hidden\n    hidden = 1\nf()\nprint(hidden)",
    "nonlocal": "def f():\n    hidden = 1\n    def g():\n        nonlocal hidden\n        hidden += 1; return hidden",
    "a function's bare annotation": "def f():\n    hidden: int\n    return hidden",
    "star assignment": "a, *hidden = [1, 2]\nprint(hidden)",
    "recursion": "def hidden(n): return hidden(n - 1) if n else 0",
    "a decorator": "def hidden(f): return f\n@hidden\nclass A: ...",
    "f-strings": "hidden = 1\nprint(f'{hidden!r:>{hidden}}')",
    "assigned before it is deleted": "hidden = 1\ndel hidden",
}

HIDDEN = {
    "a call": ("print(await hidden(1))", ["hidden"]),
    "an attribute's base": ("hidden.x = 1", ["hidden"]),
    "a subscript's base": ("hidden[0] = 1", ["hidden"]),
    "within a function": ("def f():\n    return hidden", ["hidden"]),
    "a default and an annotation": ("def f(a: hidden = 1): ...", ["hidden"]),
    "a comprehension's source": ("x = [hidden for hidden in hidden]", ["hidden"]),
    "a name that a comprehension keeps to itself": ("x = [1 for hidden in []]\nprint(hidden)", ["hidden"]),
    "a method does not see its class": ("class A:\n    hidden = 1\n    def m(self): return hidden", ["hidden"]),
    "a class body reads before it binds": ("class A:\n    hidden = hidden", ["hidden"]),
    "a local of another function": ("def f(): hidden = 1\nprint(hidden)", ["hidden"]),
    "global that nobody binds": ("def f():\n    global hidden\n    return hidden", ["hidden"]),
    "a base class": ("class A(hidden): ...", ["hidden"]),
    "read, then bound": ("hidden = hidden + 1", ["hidden"]),
    "counted up": ("hidden += 1", ["hidden"]),
    "deleted": ("del hidden", ["hidden"]),
    "looped on": ("while hidden:\n    hidden -= 1", ["hidden"]),
    "only annotated": ("hidden: int\nprint(hidden)", ["hidden"]),
    "an except clause": ("try: pass\nexcept hidden: pass", ["hidden"]),
    "a class pattern": ("match 1:\n    case hidden(): pass", ["hidden"]),
    "an f-string": ("print(f'é {hidden}')", ["hidden"]),
    "each name once": ("hidden(hidden, other)\nother", ["hidden", "other"]),
    "behind wide characters": ("x = '日本é'; y = hidden", ["hidden"]),
    "in a try that catches it all the same": ("try: hidden\nexcept NameError: pass", ["hidden"]),
}


def test_columns_count_characters() -> None:
    """The compiler counts bytes; what stands before in the line may have more of these."""
    (found,) = lint(question("x = '日本é hidden'; y = hidden", setup="hidden = 1"))
    assert (found.span.text, found.span.column) == ("hidden", 23)


@pytest.mark.parametrize("code", SHOWN.values(), ids=SHOWN)
def test_names_that_the_card_shows_are_no_fault(code: str) -> None:
    """Python's rules of scopes decide, though a set-up defines `hidden` too."""
    assert hidden(code, prelude="import asyncio") == []


@pytest.mark.parametrize(("code", "names"), HIDDEN.values(), ids=HIDDEN)
def test_a_name_of_the_set_up_is_found_where_it_is_read(code: str, names: list[str]) -> None:
    """The diagnostic stands at the first use, exactly."""
    assert hidden(code) == names


GENERICS = {
    "def f[T](a: T, *b: T) -> T: return a": [],
    "class A[T: int](list[T]):\n    def m(self, x: T) -> T: return x": [],
    "type Pair[T] = tuple[T, T]\nPair": [],
    "type Tree = list[Tree]": [],
    "def f[T: hidden](a: T): ...": ["hidden"],
    "def f[hidden](): ...\nhidden": ["hidden"],
    "class A[T](hidden): ...": ["hidden"],
}


@pytest.mark.parametrize("code", GENERICS)
def test_type_parameters_are_known_in_their_statement_alone(code: str) -> None:
    """Before 3.12 such code does not parse, and what it binds is not known."""
    assert hidden(code) == (GENERICS[code] if sys.version_info >= (3, 12) else [])


def test_names_may_come_from_any_block_that_the_question_shows() -> None:
    """A second program may use what the first shows; the reader sees both."""
    after = "\n```python continue\nprint(job)\n```\n\n```python\njob()\n```\n"
    assert lint(question("def job(): ...", setup="def job(): ...", after=after)) == []


def test_what_the_answer_shows_does_not_help_the_question() -> None:
    """It is seen too late."""
    text = question("job()", setup="x = 1") + "\n```python\ndef job(): ...\n```\n"
    assert [fault.span.text for fault in lint(text)] == ["job"]


def test_answers_may_rest_on_set_up() -> None:
    """A short answer is a good answer."""
    assert lint("```python setup\njob = 1\n```\n\n## Q\n<!-- id: q -->\n\n```python\nprint(job)\n```\n") == []


def test_a_set_up_of_the_note_hides_names_as_the_files_does() -> None:
    """It is not shown either, nor is a check."""
    after = "\n```python check\nseen = 1\n```\n\n```python continue\nprint(seen)\n```\n"
    text = (
        "## Q\n<!-- id: q -->\n\n```python setup\njob = 1\n```\n\n```python\njob\n```\n" + after + "### Answer\n\nA.\n"
    )
    assert [fault.span.text for fault in lint(text)] == ["job", "seen"]


def test_a_star_import_may_bring_any_name_but_those_of_the_set_up() -> None:
    """What the module holds is not looked up: nothing is imported to lint."""
    assert hidden("from asyncio import *\nsleep, hidden") == ["hidden"]
    assert hidden("sleep, hidden", prelude="from asyncio import *") == ["hidden"]


def test_a_name_that_is_missing_on_purpose_is_the_lesson() -> None:
    """Where a NameError is expected or caught, nothing is hidden: the name is nowhere."""
    assert hidden("missing", info="raises=NameError") == []
    assert hidden("try: missing\nexcept NameError: pass") == []
    assert hidden("missing") == ["missing"]
    assert hidden("missing", info='norun="x"') == ["missing"]
    assert hidden("hidden", info="raises=NameError") == ["hidden"]


def test_code_that_does_not_parse_is_left_to_the_verifier() -> None:
    """Nor is anything said of names that it may bind, however deep or odd it is."""
    for code in ("def f(:", "x = " + "(" * 5000, "-" * 20_000 + "hidden", "1" * 6000 + "j\nx = hidden('", "\\"):
        assert hidden(code) == []


def test_warnings_of_the_compiler_are_not_ours() -> None:
    """Code with an odd escape or comparison is read in silence."""
    assert hidden("x = '\\d'\nx is 1") == []


@pytest.mark.parametrize("allow", ["[L001]", "hidden-name", "[V012, L001]"])
def test_a_note_may_allow_a_rule(allow: str) -> None:
    """By code or by name."""
    assert lint(question("hidden", setup="hidden = 1", metadata=f"allow: {allow}")) == []


@pytest.mark.parametrize(("allow", "bad"), [("L999", "L999"), ("hidden-names", "hidden-names"), ("V999", "")])
def test_allowing_a_rule_that_is_none_is_a_fault(allow: str, bad: str) -> None:
    """Else it would hide that nothing is allowed. Codes of other stages are theirs to know."""
    found = lint(question("1", metadata=f"allow: [{allow}]"))
    assert [(fault.code, fault.span.line) for fault in found] == [("L002", 8)] * bool(bad)
    assert bad in "".join(fault.message for fault in found)


def replaced(code: str, *, prelude: str = "import asyncio") -> list[str]:
    """The places in a set-up that L003 reports, as the source has them; the shown code reads some names."""
    found = lint(question("print(len, sum, next, int, open, input, asyncio)", setup=code), prelude=prelude)
    return [fault.span.text for fault in found if fault.code == "L003"]


REPLACED = {
    "a function": ("def print(*values): ...", ["def print(*values): ..."]),
    "a name": ("len = 3", ["len"]),
    "a walrus and a loop": ("(sum := 1)\nfor next in []: pass", ["sum", "next"]),
    "a class": ("class int: ...", ["class int: ..."]),
    "from within a function": ("def f():\n    global print\n    print = 1", ["print"]),
    "an import over a built-in": ("from os import open", ["from os import open"]),
    "an import under a built-in's name": ("import pprint as print", ["import pprint as print"]),
    "everything": ("from os import *", ["from os import *"]),
    "the prelude's name": ("asyncio = object()", ["asyncio"]),
    "an import over the prelude's name": ("import quick as asyncio", ["import quick as asyncio"]),
    "a module's attribute": ("asyncio.sleep = 1", ["asyncio.sleep"]),
    "a class of a module": ("asyncio.base_events.BaseEventLoop.close = 1", ["asyncio.base_events.BaseEventLoop.close"]),
    "a class imported": ("from asyncio import Task\nTask.cancel = 1", ["Task.cancel"]),
    "in a loop or a block": ("import sys\nwith open('x') as sys.stdout: ...", ["sys.stdout"]),
    "one among several": ("import builtins, sys\na, builtins.print = 1, 2", ["builtins.print"]),
    "a module under another name": ("import builtins as b\nb.print = 1", ["b.print"]),
    "a module given another name": ("quick = asyncio\nquick.sleep = 1", ["quick.sleep"]),
    "a module imported in place": ("__import__('asyncio').sleep = 1", ["__import__('asyncio').sleep"]),
    "taken away": ("del asyncio.sleep", ["asyncio.sleep"]),
    "setattr": ("setattr(asyncio, 'sleep', 1)", ["setattr(asyncio, 'sleep', 1)"]),
    "its method": ("asyncio.__setattr__('sleep', 1)", ["asyncio.__setattr__('sleep', 1)"]),
    "in a function that imports it": ("def f():\n    import time\n    time.sleep = 1", ["time.sleep"]),
    "in a function, by a name of its own": ("def f():\n    a = __import__('time')\n    a.sleep = 1", ["a.sleep"]),
    "a class's method, by object": (
        "from asyncio import Task\ntype.__setattr__(Task, 'cancel', 1)",
        ["type.__setattr__(Task, 'cancel', 1)"],
    ),
    "an object of a module": (
        "from unittest.mock import patch\npatch.object(asyncio, 'sleep')",
        ["patch.object(asyncio, 'sleep')"],
    ),
    "a mocked dictionary of modules": (
        "import sys\nfrom unittest.mock import patch\npatch.dict(sys.modules, asyncio=1)",
        ["patch.dict(sys.modules, asyncio=1)"],
    ),
    "a module's names": ("vars(asyncio)['sleep'] = 1", ["vars(asyncio)['sleep']"]),
    "a module's dictionary": ("asyncio.__dict__.update(sleep=1)", ["asyncio.__dict__.update(sleep=1)"]),
    "the program's names": ("globals()['print'] = 1", ["globals()['print']"]),
    "the modules": ("import sys\nsys.modules['asyncio'] = 1", ["sys.modules['asyncio']"]),
    "a mock": ("from unittest import mock\nmock.patch('asyncio.sleep').start()", ["mock.patch('asyncio.sleep')"]),
    "the built-ins": ("__builtins__.print = 1\n__builtins__['len'] = 1", ["__builtins__.print", "__builtins__['len']"]),
    "a way inward": (
        "print.__self__.print = 1\nf.__globals__['len'] = 1",
        ["print.__self__.print", "f.__globals__['len']"],
    ),
    "text": ("exec('print = 1')", ["exec('print = 1')"]),
    "behind wide characters": ("x = '日本é'; print = 1", ["print"]),
}
LEFT_ALONE = {
    "names of its own": "def show(*values): print(*values)\nqueue = asyncio.Queue()\nselect = signal = 1",
    "imports": "import asyncio, time, os.path\nfrom asyncio import TimeoutError, sleep, queues\nfrom time import time",
    "the same import": "import asyncio\nimport asyncio.subprocess\nfrom datetime import datetime",
    "everything of asyncio": "from asyncio import *",
    "a local": "def f(print, id):\n    len = 1\n    return print, id, len\n[sum for sum in []]",
    "an attribute of its own": "class A:\n    list = 1\n    def f(self): self.print = vars(self)['x'] = 1\nA.sum = 2",
    "an environment": "import os\nos.environ['X'] = '1'\nos.environ.update(Y='2')",
    "a frozen dataclass": "class P:\n    def __post_init__(self): object.__setattr__(self, 'x', 1)",
    "a proxy": "class P:\n    def __setattr__(self, n, v): super().__setattr__(n, v); self.__dict__[n] = v",
    "a parameter named like a module": "import queue\ndef f(queue, n): queue.limit = n; setattr(queue, 'x', n)",
    "a local named like a module": "import socket\ndef f():\n    socket = make()\n    socket.family = 1",
    "everything of modules that replace nothing": "from typing import *\nfrom dataclasses import *\nfrom math import *",
    "its standard input": "import io, sys\nsys.stdin = io.StringIO('x')\nsys.argv = ['x']\nsys.path += ['lib']",
    "names of its own by globals": "globals()['counter'] = 1\nfor n in 'ab': vars()['x'] = n",
    "what a method belongs to": "class A:\n    def f(self): self.callback.__self__.count = 1",
    "a mock of its own": "from unittest.mock import Mock, patch\nclient = Mock()\nclient.get.return_value = 1\n"
    "patch.object(client, 'get')\npatch('__main__.fetch')\npatch.dict('os.environ', X='1')",
    "a call": "import random, logging\nrandom.seed(1)\nlogging.disable()\nprint(asyncio.sleep, vars(asyncio)['run'])",
}


@pytest.mark.parametrize(("code", "places"), REPLACED.values(), ids=REPLACED)
def test_hidden_code_may_not_change_what_shown_code_means(code: str, places: list[str]) -> None:
    """Built-ins, modules and the prelude's names are what the learner takes them for; the diagnostic says where not."""
    assert replaced(code) == places


@pytest.mark.parametrize("code", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_hidden_code_may_do_what_it_likes_with_its_own(code: str) -> None:
    """Names, attributes and locals that no shown code can mean."""
    assert replaced(code) == []


def test_a_prelude_is_hidden_code_too() -> None:
    """One report for the deck, not one for each note, as for a file's set-up."""
    twice = question("print(1)") + question("print(2)").replace("id: q", "id: other")
    found = lint(twice, prelude='"print = 1"')
    assert {(fault.code, fault.note, fault.span.file) for fault in found} == {("L003", None, "d/deck.yaml")}


def test_a_check_counts_where_shown_code_follows() -> None:
    """What comes last changes nothing."""
    check = "\n```python check\nprint = 1\n```\n"
    goes_on = "\n```python continue\nprint(2)\n```\n"
    assert [fault.code for fault in lint(question("1", after=check + goes_on))] == ["L003"]
    assert lint(question("1", after=check)) == []


def test_shown_code_and_a_note_that_allows_it_may_replace_names() -> None:
    """The learner sees it there."""
    assert lint(question("print = asyncio.sleep = 1")) == []
    assert lint(question("print(1)", setup="print = 1", metadata="allow: [L003]")) == []
    assert lint(question("print(1)", setup="print = 1", metadata="allow: replaced-name")) == []


@pytest.mark.parametrize(
    ("setup", "shown"),
    [
        ("input = ['a', 'b']\nN = len(input)", "print(1)"),
        ("for id in range(3): pass", "print(1)"),
        ("id = 1", "for id in range(3): print(id)"),
        ("id = 1", "def f(id): return id\n[id for id in [1]]"),
        ("id = 1", "id = 2\nprint(id)"),
        ("from asyncio import subprocess\nfrom collections import abc", "print(subprocess.PIPE, abc)"),
        ("from os import *", "print(1)"),
    ],
)
def test_a_name_that_the_shown_code_does_not_read_misleads_nobody(setup: str, shown: str) -> None:
    """Only what is read can mean something else than it says."""
    assert [fault for fault in lint(question(shown, setup=setup)) if fault.code == "L003"] == []
    assert replaced("input = ['a', 'b']") == ["input"]


def test_retired_notes_are_left_in_peace() -> None:
    """They are not run, and nobody mends them."""
    text = question("hidden", setup="hidden = 1", metadata='retired: "why"')
    assert lint(text, name="_retired.md") == []
    assert len(lint(text)) == 1


def test_a_deck_without_prelude_has_no_names_but_built_ins() -> None:
    """`asyncio` must be shown then."""
    assert hidden("asyncio.sleep", prelude='""') == ["asyncio"]


@pytest.mark.parametrize("name", CHECKS)
def test_a_rules_docstring_explains_it(name: str) -> None:
    """What it is about, a bad note and a good one: `make-deck explain` prints it."""
    text = inspect.getdoc(CHECKS[name][1]) or ""
    assert text.index("\n\nBad") < text.index("\n\nGood")


MODULES = [*sorted(Path(asyncio.__file__).parent.glob("*.py")), Path(inspect.__file__)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_scopes_are_read_as_the_compiler_reads_them(path: Path) -> None:
    """Over real modules, the names bound and missed at module level are those of Python's own symbol table."""
    code = path.read_text(encoding="utf-8")
    names = read_names(code)
    assert names is not None
    bound, used = _symbols(symtable.symtable(code, "module", "exec"))
    assert set(names.bound) == bound
    assert {use.name for use in names.uses} - bound == used - bound - {"__class__"}


def _symbols(table: symtable.SymbolTable) -> tuple[set[str], set[str]]:
    is_module = table.get_type() == "module"
    bound, used = set[str](), set[str]()
    for symbol in table.get_symbols():
        if is_module or symbol.is_global():
            if symbol.is_referenced():
                used.add(symbol.get_name())
            if symbol.is_assigned() or symbol.is_imported() or (is_module and symbol.is_namespace()):
                bound.add(symbol.get_name())
    for child in table.get_children():
        inner_bound, inner_used = _symbols(child)
        bound, used = bound | inner_bound, used | inner_used
    return bound, used
