"""deck.yaml to a DeckConfig."""

from __future__ import annotations

import re

from packaging.specifiers import SpecifierSet

from generator.diagnostics import Diagnostic, Rule, Source, Span
from generator.notes import DeckConfig, Policy, Role, Side, Snippet
from generator.parse.fields import Fields
from generator.parse.metadata import DECK_YAML, Value, did_you_mean, listed, read_mapping

MISSING = Rule("D037", "deck.yaml lacks a key that a deck needs")
NO_FORMAT = Rule("D038", "deck.yaml has another format than this make-deck reads")
NAMESPACE = Rule("D039", "deck.yaml's namespace cannot be used")
LIMIT = Rule("D040", "a limit in deck.yaml cannot be used")

RULES = (MISSING, NO_FORMAT, NAMESPACE, LIMIT)

KEYS = (
    "format", "name", "namespace", "description", "tags", "python", "prelude", "verify", "repository", "interpreter",
    "limits",
)  # fmt: skip
FORMAT = "1"

# The verifier's defaults, in seconds, bytes and a number: a deck may only lower them.
LIMITS = {
    "wall": 10.0,
    "cpu": 10.0,
    "memory": 512.0 * 2**20,
    "output": 64.0 * 2**10,
    "processes": 48.0,
    "scratch": 64.0 * 2**20,
}
_UNITS = {
    "wall": {"": 1.0, "s": 1.0, "ms": 0.001},
    "memory": {"": 1.0, "B": 1.0, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30},
    "processes": {"": 1.0},
}
_UNITS |= {"cpu": _UNITS["wall"], "output": _UNITS["memory"], "scratch": _UNITS["memory"]}
_EXAMPLES = {"wall": "5 s", "cpu": "5 s", "memory": "256 MiB", "output": "16 KiB", "processes": "8", "scratch": "8 MiB"}


def parse_config(source: Source) -> tuple[DeckConfig | None, list[Diagnostic]]:
    """The settings of a deck; None where the name or the namespace is not known."""
    found: list[Diagnostic] = []
    entries = read_mapping(source, source.text, 0, DECK_YAML, found)
    if entries is None:
        return None, found
    fields = Fields(entries, DECK_YAML, found)
    fields.check_keys(KEYS, "deck.yaml")
    for key, example in (("name", "name: AsyncIO"), ("namespace", "namespace: example.asyncio")):
        if key not in fields:
            found.append(MISSING.at(source.span(0), f"deck.yaml has no `{key}`", f"Add `{example}`."))
    name = fields.deck_name("name", "AsyncIO")
    namespace = _namespace(fields)
    python = fields.python()
    policy = fields.choice("verify", tuple(policy.value for policy in Policy))
    format_known = _check_format(fields)
    description = fields.text("description", '"…"', empty=True, lines=True)
    config = DeckConfig(
        name=name or "",
        namespace=namespace or "",
        description=(description or "").strip(),
        description_span=fields["description"].span if description else None,
        tags=fields.tags(),
        python=python[0] if python else SpecifierSet(),
        prelude=_prelude(fields),
        verify=Policy(policy) if policy else Policy.STRICT,
        repository=fields.url("repository") or "",
        interpreter=fields.text("interpreter", "python3.13") or "",
        limits=_limits(fields),
    )
    return config if name and namespace and format_known else None, found


def _check_format(fields: Fields) -> bool:
    text = fields.text("format", FORMAT)
    if text in (None, FORMAT):
        return True
    hint = f"Write `format: {FORMAT}`, or use a make-deck that knows format {text}."
    fields.found.append(NO_FORMAT.at(fields["format"].span, f"format {text} is not known here", hint))
    return False


def _namespace(fields: Fields) -> str | None:
    text = fields.text("namespace", "example.asyncio")
    if text is None or (text.isprintable() and not any(char.isspace() for char in text) and len(text) <= 200):
        return text
    hint = "Write one word of at most 200 characters, such as `example.asyncio`."
    fields.found.append(NAMESPACE.at(fields["namespace"].span, f"`{text[:40]}` is no namespace", hint))
    return None


def _prelude(fields: Fields) -> Snippet | None:
    code = fields.text("prelude", '"import asyncio"', empty=True, lines=True)
    if code is None or not code.strip():
        return None
    code = code.rstrip("\n") + "\n"
    span = fields["prelude"].span
    return Snippet(Role.SETUP, "python", code, span, Side.FILE, _segments(code, span))


def _segments(code: str, span: Span) -> tuple[tuple[int, int], ...]:
    """Where the lines of a YAML text stand: each is looked for behind the one before it."""
    segments = []
    written = span.text
    size = at = 0
    for line in code.rstrip("\n").split("\n"):
        word = next(iter(line.split()), "")
        found = written.find(line, at)
        if found == -1:  # folded or escaped: the first word will do
            found = max(written.find(word, at) - line.index(word), at)
        segments.append((size, span.start + found))
        at = min(found + len(line.rstrip()), len(written))
        size += len(line) + 1
    return tuple(segments)


def _limits(fields: Fields) -> dict[str, float]:
    if "limits" not in fields or fields["limits"].broken:
        return {}
    value = fields["limits"]
    if value.entries is None:
        fields.refuse(value, "`limits` takes a mapping", "Write `limits: {wall: 5 s, memory: 256 MiB}`.")
        return {}
    limits = {}
    for key, (span, item) in value.entries.items():
        if key not in LIMITS:
            hint = f"{did_you_mean(key, LIMITS)}Limits are {listed(LIMITS)}."
            fields.found.append(LIMIT.at(span, f"`{key}` is no limit", hint))
            continue
        number = _amount(key, item)
        fault = _limit_fault(key, number)
        if fault:
            text = item.text if item.text is not None else "this"
            fields.found.append(LIMIT.at(item.span, f"`{text}` {fault}", f"Write `{key}: {_EXAMPLES[key]}`, say."))
        elif number is not None:
            limits[key] = number
    return limits


def _amount(key: str, value: Value) -> float | None:
    match = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*([A-Za-z]*)\s*", value.text or "", re.ASCII)
    if not match or match[2] not in _UNITS[key]:
        return None
    return float(match[1]) * _UNITS[key][match[2]]


def _limit_fault(key: str, number: float | None) -> str:
    if number is None:
        units = ", ".join(unit for unit in _UNITS[key] if unit)
        return f"is no amount for `{key}`" + (f" (units: {units})" if units else "")
    if number <= 0:
        return "is too little"
    if number > LIMITS[key]:
        return "is more than the default: limits can only be lowered"
    return ""
