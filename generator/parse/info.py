"""Info strings of fences: the language, then one word for the role, then `key=value`.

info      = language *( space word )
word      = role / attribute
role      = "setup" / "check" / "continue" / "script"
attribute = ( "raises" / "bug" / "norun" ) "=" ( bare / DQUOTE text DQUOTE )
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from markdown_it.common.utils import unescapeAll

from generator.diagnostics import Diagnostic, Rule, Severity, Span
from generator.notes import Role
from generator.parse.metadata import did_you_mean, listed

NOT_PYTHON = Rule("N080", "a fence names Python by another word than `python`")
NO_LANGUAGE = Rule("N081", "a fence has no language")
UNKNOWN_WORD = Rule("N082", "a fence has an unknown role")
UNKNOWN_ATTRIBUTE = Rule("N083", "a fence has an unknown attribute")
BAD_VALUE = Rule("N084", "an attribute of a fence has a value it does not take")
NO_ATTRIBUTES = Rule("N085", "a fence takes no role or attribute")
CONFLICT = Rule("N086", "roles or attributes of a fence exclude each other")
UNKNOWN_BUG = Rule("N087", "`bug=` names an unknown finding")
MISSPELT = Rule("N088", "a fence's language is a misspelt word of make-deck's")
NO_HIGHLIGHTER = Rule("N089", "no highlighter knows a fence's language", Severity.WARNING)
ESCAPED = Rule("N090", "an info string has an escape")

RULES = (
    NOT_PYTHON,
    NO_LANGUAGE,
    UNKNOWN_WORD,
    UNKNOWN_ATTRIBUTE,
    BAD_VALUE,
    NO_ATTRIBUTES,
    CONFLICT,
    UNKNOWN_BUG,
    MISSPELT,
    NO_HIGHLIGHTER,
    ESCAPED,
)

ROLES = {"setup": Role.SETUP, "check": Role.CHECK, "continue": Role.CONTINUE, "script": Role.PROGRAM}
ATTRIBUTES = ("raises", "bug", "norun")
BUGS = (
    "syntax-error",
    "exception",
    "never-awaited",
    "task-pending",
    "exception-not-retrieved",
    "cancellation-swallowed",
    "blocked-loop",
    "deadlock",
    "timeout",
    "memory",
    "too-much-output",
    "unclosed-resource",
    "deprecated",
    "thread-left",
    "process-left",
    "stderr",
)
_NO_LESSONS = ("wrong-output", "refused", "crashed", "no-result")
_PLAIN = frozenset({"txt", "plain", "plaintext", "none"})
"""Words for no language, beside Pygments' `text`."""
_ALIASES = {
    **dict.fromkeys(("mjs", "cjs"), "js"),
    **dict.fromkeys(("mts", "cts"), "ts"),
    **dict.fromkeys(("jsonc", "jsonl", "ndjson"), "json"),
    **dict.fromkeys(("sh-session", "shellsession", "bash-session"), "console"),
    **dict.fromkeys(("plsql", "sqlite"), "sql"),
    **dict.fromkeys(("env", "dotenv"), "bash"),
    **dict.fromkeys(("conf", "config"), "ini"),
    "jinja2": "jinja",
    "gql": "graphql",
    "kt": "kotlin",
    "vb": "vbnet",
    "patch": "diff",
    "h": "c",
    "hpp": "cpp",
    "traceback": "pytb",
    "rscript": "r",
    "gradle": "groovy",
    "svelte": "html",
    "cmd": "bat",
}
"""Names that authors and GitHub have for languages, and what Pygments calls them."""
_DIAGRAMS = frozenset({"mermaid", "geojson", "topojson", "stl"})
"""What GitHub draws in place of showing it."""
_OUR_LANGUAGES = {"output": Role.OUTPUT, "timeline": Role.TIMELINE}

_PYTHON_LIKE = re.compile(r"[^a-z0-9]*(?:i?py(?:thon)?[\d.]*(?![a-z0-9])|python[^a-z])")
_PYTHON_NAMES = {
    "pycon", "pyi", "ipythonconsole", "jupyter-python", "python-repl", "pyrepl", "pypy", "pypy3", "cpython", "numpy",
}  # fmt: skip
_WORD = re.compile(r"""([^\s="]+)=(?:"([^"]*)"|('[^']*'|[^\s"]*))(?=\s|$)|(\S+)""")
_NAME = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")


@dataclass(slots=True)
class Info:
    """What an info string says. `role` is the best guess where it is faulty, so that one fault stays one."""

    language: str
    role: Role
    script: bool = False
    attributes: dict[str, str] = field(default_factory=dict)
    bugs: frozenset[str] = frozenset()


class _Reader:
    """Reads one info string; `place` makes a span of character offsets in it."""

    def __init__(self, text: str, place: Callable[[int, int], Span], found: list[Diagnostic]) -> None:
        self.text = text
        self.place = place
        self.found = found

    def report(self, rule: Rule, match: re.Match[str] | None, message: str, hint: str) -> None:
        start, end = match.span() if match else (0, len(self.text))
        self.found.append(rule.at(self.place(start, end), message, hint))

    def read(self) -> Info:
        first = re.search(r"\S+", self.text)
        if first is None:
            hint = "Write `text` if it is no code; Python is `python`."
            self.report(NO_LANGUAGE, None, "this fence has no language", hint)
            return Info("text", Role.TEXT)
        if unescapeAll(self.text) != self.text:
            self.report(ESCAPED, None, "an info string may not hold `&…;` or `\\` before a mark", "Write it plainly.")
            meant = unescapeAll(self.text).split()
            return Info("python", Role.PROGRAM) if meant[:1] == ["python"] else Info("text", Role.TEXT)
        info = self._language(first)
        words = list(_WORD.finditer(self.text, first.end()))
        if info.language != "python":
            if words:
                message = f"`{first[0]}` takes no role and no attribute"
                self.report(NO_ATTRIBUTES, words[0], message, f"Write `{first[0]}` alone.")
            return info
        roles = [word for word in words if self._word(word, info)]
        self._check(info, roles)
        return info

    def _language(self, first: re.Match[str]) -> Info:
        word = first[0]
        if word == "python":
            return Info("python", Role.PROGRAM)
        if word == "math":  # a formula on the card
            return Info(word, Role.TEXT)
        if word in _OUR_LANGUAGES:
            return Info(word, _OUR_LANGUAGES[word])
        folded = unicodedata.normalize("NFKC", word).casefold()
        if _PYTHON_LIKE.match(folded) or folded.strip("{}.") in _PYTHON_NAMES:
            hint = 'Write `python`: only that is run. For what is not to be run, `python norun="why"` or `text`.'
            self.report(NOT_PYTHON, first, f"`{word}` is not `python`", hint)
            return Info("python", Role.PROGRAM)
        if folded in ROLES:
            self.report(MISSPELT, first, f"`{word}` is a role, not a language", f"Write `python {folded}`.")
            return Info("python", ROLES[folded], script=folded == "script")
        if folded in _PLAIN:
            return Info("text", Role.TEXT)
        if folded in _OUR_LANGUAGES or (folded not in _highlighted() and folded not in _ALIASES):
            return self._unknown(first, folded)
        return Info(_ALIASES.get(folded, word), Role.TEXT)

    def _unknown(self, first: re.Match[str], folded: str) -> Info:
        if folded in _DIAGRAMS:
            hint = "Put a picture of it into media/; write `text` if its source is what the card shall show."
            self.report(NO_HIGHLIGHTER, first, f"GitHub draws `{first[0]}`: the card shows its text", hint)
            return Info(first[0], Role.TEXT)
        near = did_you_mean(folded, ("python", *_OUR_LANGUAGES))
        if not near:
            hint = f"{did_you_mean(folded, _highlighted())}Write `text` if that is meant."
            self.report(NO_HIGHLIGHTER, first, f"no highlighter knows `{first[0]}`: it is shown as text", hint)
            return Info(first[0], Role.TEXT)
        self.report(MISSPELT, first, f"`{first[0]}` is no language", f"{near}Write `text` if it is no code.")
        guess = near.split("`")[1]
        return Info(guess, _OUR_LANGUAGES.get(guess, Role.PROGRAM))

    def _word(self, word: re.Match[str], info: Info) -> bool:
        """Takes in one word; whether it is a role."""
        key, quoted, bare, role = word.groups()
        if role is not None:
            if role not in ROLES:
                self._no_role(word, role)
            return role in ROLES
        value = (quoted if quoted is not None else bare).strip()
        if key not in ATTRIBUTES:
            hint = f"{did_you_mean(key, ATTRIBUTES)}Attributes are {listed(f'{name}=' for name in ATTRIBUTES)}."
            self.report(UNKNOWN_ATTRIBUTE, word, f"`{key}=` is no attribute of a fence", hint)
        elif key in info.attributes:
            self.report(CONFLICT, word, f"`{key}=` is given twice", "Keep one; several findings are `bug=a,b`.")
        elif self._value(word, key, value, info):
            info.attributes[key] = value
        return False

    def _no_role(self, word: re.Match[str], role: str) -> None:
        if role in ATTRIBUTES:
            self.report(BAD_VALUE, word, f"`{role}` has no value", _example(role))
        elif "=" in role:
            hint = 'Write `key="some words"`, with no other `"` in it and no space before or after the `=`.'
            self.report(BAD_VALUE, word, f"`{role}` is not readable", hint)
        else:
            attributes = listed(f"{name}=" for name in ATTRIBUTES)
            hint = f"{did_you_mean(role, (*ROLES, *ATTRIBUTES))}Roles are {listed(ROLES)}, attributes {attributes}."
            self.report(UNKNOWN_WORD, word, f"`{role}` is no role of a fence", hint)

    def _value(self, word: re.Match[str], key: str, value: str, info: Info) -> bool:
        if value.startswith("'"):
            self.report(BAD_VALUE, word, f"`{word[0]}` has single quotes", f'Write `{key}="…"`.')
            return False
        if not value or (key == "raises" and not _NAME.fullmatch(value)):
            what = f"`{key}={value}`: " + ("that is no name of an exception" if value else "it has no value")
            self.report(BAD_VALUE, word, what, _example(key))
            return False
        if key == "bug":
            info.bugs = frozenset(name for name in map(str.strip, value.split(",")) if self._bug(word, name))
        return True

    def _bug(self, word: re.Match[str], name: str) -> bool:
        if name in BUGS:
            return True
        if not name:
            self.report(BAD_VALUE, word, f"`{word[0]}` names nothing beside a comma", "Write `bug=a,b` without spaces.")
        elif name in _NO_LESSONS:
            hint = "Such a card would teach what make-deck says, not what asyncio does: show the failure as text."
            self.report(UNKNOWN_BUG, word, f"`{name}` cannot be the lesson of a card", hint)
        else:
            hint = f"{did_you_mean(name, BUGS)}Findings are {listed(BUGS)}."
            self.report(UNKNOWN_BUG, word, f"`{name}` is no finding", hint)
        return False

    def _check(self, info: Info, roles: list[re.Match[str]]) -> None:
        if roles:
            info.role, info.script = ROLES[roles[0][0]], roles[0][0] == "script"
        if len(roles) > 1:
            message = f"`{roles[0][0]}` and `{roles[1][0]}` are two roles"
            self.report(CONFLICT, roles[1], message, "Write one role word; use two fences for two roles.")
        elif info.role in (Role.SETUP, Role.CHECK) and info.attributes:
            key = next(iter(info.attributes))
            message = f"`python {info.role.value}` takes no `{key}=`"
            self.report(NO_ATTRIBUTES, None, message, f"Write `python {info.role.value}` alone.")
        elif "norun" in info.attributes and len(info.attributes) > 1:
            message = "what is not run has no exception and no bug to show"
            self.report(CONFLICT, None, message, "Keep either `norun=` or the other attribute.")
        elif "norun" in info.attributes and (info.role is Role.CONTINUE or info.script):
            message = f"`norun=` does not go with `{'script' if info.script else 'continue'}`"
            hint = 'Write `python norun="why"` on the block that starts the program.'
            self.report(CONFLICT, None, message, hint)


def _example(key: str) -> str:
    examples = {"raises": "raises=TimeoutError", "bug": "bug=never-awaited", "norun": 'norun="it needs a server"'}
    return f"Write `{examples[key]}`."


@cache
def _highlighted() -> frozenset[str]:
    from pygments.lexers import get_all_lexers

    return frozenset(alias for _, aliases, _, _ in get_all_lexers(plugins=False) for alias in aliases)


def read_info(text: str, place: Callable[[int, int], Span], found: list[Diagnostic]) -> Info:
    """What the info string `text` says; faults go to `found`. `place` gives the span of two offsets in `text`."""
    return _Reader(text, place, found).read()
