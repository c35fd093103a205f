"""The command line: assembles, prints, chooses the exit status. No rule of the product is here.

Exit status: 0 clean or warnings; 1 faults in the notes; 2 wrong usage; 3 a fault of this program; 4 the machine
cannot do it; 130 interrupted. Results go to stdout, all else to stderr. Everything heavy is imported by the command
that needs it, so that `--help` stays quick. A file for each command; `start` holds the small ones.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Sequence

import click

from generator import __version__
from generator.cli.build import build
from generator.cli.check import check
from generator.cli.preview import preview
from generator.cli.start import doctor, init
from generator.diagnostics import harmless
from generator.terminal import guard, say, use_utf8

DEFAULT = "build"
HELP = ("-h", "--help")


def run(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command line and return its exit status; without arguments, that of the process."""
    use_utf8()
    return guard(lambda: _run(list(sys.argv[1:] if arguments is None else arguments)))


def _run(arguments: list[str]) -> int:
    try:
        status = main.main(arguments, prog_name="make-deck", standalone_mode=False)
    except click.ClickException as problem:
        if isinstance(problem, click.UsageError) and problem.ctx is not None:
            say(problem.ctx.get_usage(), error=True)
        say(f"make-deck: {harmless(problem.format_message())}", error=True)
        return problem.exit_code
    except click.Abort as stopped:  # click's form of KeyboardInterrupt
        raise KeyboardInterrupt from stopped
    return status if isinstance(status, int) else 0


class DefaultGroup(click.Group):
    """A group that takes `make-deck PATH` and `make-deck -o FILE` for the command DEFAULT."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        first = args[0] if args else ""
        if first not in self.commands and first not in (*HELP, "--version"):
            close = difflib.get_close_matches(first, self.commands, n=1)
            if first and not first.startswith("-") and not os.path.exists(first):
                hint = f"; did you mean `{close[0]}`?" if close else "; `make-deck --help` lists the commands"
                raise click.UsageError(f"there is no command and no path {first!r}{hint}", ctx)
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=DefaultGroup, epilog="`make-deck` alone is `make-deck build`.", context_settings={"help_option_names": HELP}
)
@click.version_option(__version__, message="make-deck %(version)s")
def main() -> None:
    """Turn notes in Markdown into an Anki deck whose every Python snippet was run."""


for command in (build, check, preview, init, doctor):
    main.add_command(command)
