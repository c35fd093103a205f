"""What the note says a program prints, held against what it printed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from generator.diagnostics import Span
from generator.notes import Role, Snippet
from generator.verify import expect
from generator.verify.plan import Job, Site


@dataclass(frozen=True, slots=True)
class Printed:
    """Standard output cut at the steps: text by step index, and whether the last mark came."""

    by_step: Mapping[int, str]
    complete: bool


@dataclass(frozen=True, slots=True)
class Mismatch:
    """An expectation that is not met: an `output` fence, or a `#>` comment in `snippet` (then `comment` is set)."""

    snippet: Snippet
    place: Span
    expected: str
    printed: str
    comment: expect.Comment | None = None


def mismatches(job: Job, printed: Printed, report: Mapping[str, Any]) -> Iterator[Mismatch]:
    """Every expectation of `job` that is not met."""
    texts = output_of_blocks(job, printed)
    for index, fence in job.program.expected:
        text = texts.get(index, "")
        if fence.role is Role.TIMELINE:
            text = str(report.get("timeline", "")) if job.clock == "virtual" else fence.code
        if not expect.matches(fence.code, text):
            yield Mismatch(fence, fence.locate(1) if fence.code.strip() else first_line(fence.span), fence.code, text)
    entries = report.get("printed") or ()
    told = [(sites_of(item[0]), str(item[1])) for item in entries if isinstance(item, list) and len(item) == 2]
    for step in job.steps:
        if step.snippet.role in (Role.PROGRAM, Role.CONTINUE):
            for comment in expect.comments(step.snippet):
                expected = "\n".join(comment.text)
                text = expect.printed_by(comment, step.name, step.line, told)
                if not expect.matches(expected, text):
                    yield Mismatch(step.snippet, comment.span, expected, text, comment)


_MAY_HOLD_A_SET = re.compile(r"\b(set|frozenset|hash)\b|\{")
_MAKES_A_SET = frozenset({"set", "frozenset", "hash"})


def may_show_an_order(job: Job) -> bool:
    """Whether what a program prints may depend on the order of a set: it has one, and its output is told."""
    told = any(fence.role is Role.OUTPUT for _, fence in job.program.expected)
    codes = [step.snippet.code for step in job.steps]
    return (told or any("#>" in code for code in codes)) and any(map(_has_set, codes))


def _has_set(code: str) -> bool:
    if not _MAY_HOLD_A_SET.search(code):
        return False
    try:
        tree = compile(code, "", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(
        isinstance(node, ast.Set | ast.SetComp)
        or (isinstance(node, ast.Call) and ast.unparse(node.func) in _MAKES_A_SET)
        for node in ast.walk(tree)
    )


def first_line(span: Span) -> Span:
    """The part of a span on its first line."""
    line = span.source.line_span(span.line)
    return span.source.span(span.start, max(line.end, span.start))


def sites_of(value: Any) -> list[Site]:
    """Places from a report: it comes from the snippet's side, so its shape is checked."""
    return [
        (item[0], item[1])
        for item in value or ()
        if isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) and isinstance(item[1], int)
    ]


def split_output(output: bytes, nonce: str) -> Printed:
    """Cut standard output at its marks. What is printed while the loop closes belongs to the last step."""
    begin = b"\x00mark " + nonce[:16].encode() + b" "
    first, *pieces = output.split(begin)
    by_step: dict[int, str] = {0: _text(first)} if first else {}
    step, complete = 0, False
    for piece in pieces:
        word, end, text = piece.partition(b"\x00")
        if end and (word == b"end" or word.isdigit()):
            complete = word == b"end"
            step = step if complete else int(word)
        else:  # no mark of ours: the program printed it
            text = begin + piece
        if text:
            by_step[step] = by_step.get(step, "") + _text(text)
    return Printed(by_step, complete)


def _text(output: bytes) -> str:
    return output.decode("utf-8", "replace").replace("\r\n", "\n")


def output_of_blocks(job: Job, printed: Printed) -> dict[int, str]:
    """What each visible block printed: all until the next visible block begins. By index in the program's steps."""
    offset = len(job.steps) - len(job.program.steps)
    texts: dict[int, str] = {}
    block = 0
    for index, step in enumerate(job.program.steps):
        block = index if step.shown else block
        texts[block] = texts.get(block, "") + printed.by_step.get(index + offset, "")
    return texts
