"""The wire between the parent (which judges) and the process that runs a program.

A **job** is one JSON object:

    nonce    32 hex digits, drawn by the parent for this job alone
    clock    "virtual" or "real"
    script   true where the author asked for a plain script
    raises   name of the exception that a step must end with, or null; `raises_at` is that step's index
    limits   {"cpu", "memory", "processes", "scratch", "output"}: seconds and bytes
    steps    what runs, in order: {"name", "line", "code", "shown"}: a file name for tracebacks, the number of its first
             line under that name, the text, and whether the learner sees it

Standard output is the program's own, cut at the steps by marks: NUL, `mark`, the nonce's first half, the index of the
step that begins now, NUL. The last mark has the index `end`.

The **report** is one frame on a pipe of its own: the nonce, a space, and one JSON object of observations, then a line
end. It says what was seen (`watch.Watch.report` names the keys) and never that all was well: the parent decides.
"""

from __future__ import annotations

REPORT_LIMIT = 1 << 20  # bytes of one frame
TEXT_LIMIT = 2000  # characters of any one text in a report
LIST_LIMIT = 20  # observations of one kind in a report; the first ones tell enough


def mark(nonce: str, step: int | str) -> bytes:
    """What is written to standard output when `step` begins."""
    return f"\0mark {nonce[:16]} {step}\0".encode()


def clipped(text: object) -> str:
    """`text` short enough to send; an object whose `str` fails is named by its type."""
    try:
        shown = str(text)
    except BaseException:  # a snippet's own __str__ may do anything, even raise SystemExit
        shown = f"<{type(text).__name__} that cannot be shown>"
    return shown if len(shown) <= TEXT_LIMIT else shown[:TEXT_LIMIT] + "…"
