"""What an expectation should say instead: the edits that `check --update` makes. Code is never touched."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from generator.diagnostics import Span
from generator.notes import Snippet
from generator.verify import expect
from generator.verify.judge import Execution
from generator.verify.plan import Job
from generator.verify.promises import mismatches, split_output

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")  # some end a line for one reader or another


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Put `text` in place of `span`. `place` is what a reader is shown: the expectation that changes."""

    span: Span
    text: str
    place: Span
    note: str


def rewrites_of(job: Job, nonce: str, run: Execution) -> list[Rewrite]:
    """The rewrites that make every expectation of `job` say what this run printed; for a run with no other problem."""
    found: list[Rewrite] = []
    for item in mismatches(job, split_output(run.output, nonce), run.report or {}):
        if _CONTROL.search(item.printed):
            continue  # what is behind a line end of its own would be code
        if item.comment is not None:
            found += of_comment(item.comment, item.snippet, item.printed, job.note.id)
        else:
            one = of_fence(item.snippet, item.printed, job.note.id)
            found += [one] if one is not None else []
    return found


def of_fence(fence: Snippet, printed: str, note: str) -> Rewrite | None:
    """The rewrite of an `output` fence; None where what was printed cannot stand in it."""
    source = fence.span.source
    first, last = fence.span.line, source.position(max(fence.span.end - 1, fence.span.start))[0]
    opening, closing = source.line_text(first), source.line_text(last)
    indent = opening[: len(opening) - len(opening.lstrip(" "))]
    mark = opening.strip()[0]
    if any(line.lstrip().startswith(mark * 3) for line in printed.split("\n")):
        return None
    if last == first or not closing.strip().startswith(mark * 3):
        return None  # a fence without an end: the file must be mended first
    lines = _kept(fence.code.rstrip("\n").split("\n") if fence.code.strip() else [], _lines(printed))
    text = "".join(f"{indent}{line}".rstrip() + "\n" for line in lines)
    place = fence.locate(1) if fence.code.strip() else source.line_span(first)
    return Rewrite(source.span(source.offset(first + 1), source.offset(last)), text, place, note)


def of_comment(comment: expect.Comment, snippet: Snippet, printed: str, note: str) -> list[Rewrite]:
    """The rewrites of a `#>` expectation: one for each of its lines, more lines below the last, or fewer."""
    lines = _kept(list(comment.text), _lines(printed)) or [""]
    rewrites = []
    for row, old, new in zip(comment.rows, comment.text, lines, strict=False):
        if old != new:
            span = expect.comment_span(snippet, row)
            rewrites.append(Rewrite(span, f"#> {new}".rstrip(), span, note))
    for row in comment.rows[len(lines) :]:
        span = expect.comment_span(snippet, row)
        source = span.source
        whole = source.span(source.offset(span.line), source.offset(span.line + 1))
        alone = not whole.text.strip().removeprefix(span.text.strip())
        rewrites.append(Rewrite(whole, "", span, note) if alone else Rewrite(span, "", span, note))
    if len(lines) > len(comment.rows):
        span = expect.comment_span(snippet, comment.rows[-1])
        source = span.source
        statement = snippet.locate(comment.first)
        indent = " " * (statement.column - 1)
        more = "".join(f"\n{indent}#> {line}".rstrip() for line in lines[len(comment.rows) :])
        rewrites.append(Rewrite(source.span(span.end), more, span, note))
    return rewrites


def _lines(printed: str) -> list[str]:
    lines = [line.rstrip() for line in printed.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _kept(old: list[str], new: list[str]) -> list[str]:
    """The new lines, but an old one where it says the same: `...`, another address."""
    return [
        before if index < len(old) and expect.matches(before, line) and before.strip() != "..." else line
        for index, (before, line) in enumerate(zip([*old, *[""] * len(new)], new, strict=False))
    ]


def applied(text: str, rewrites: Iterable[Rewrite]) -> str:
    """`text` with every rewrite made, from the end to the start so that offsets stay true."""
    for item in sorted(rewrites, key=lambda item: (item.span.start, item.span.end), reverse=True):
        text = text[: item.span.start] + item.text + text[item.span.end :]
    return text
