"""`python -m generator`, and the command `make-deck`.

Like `bootstrap.py`, it keeps to a syntax that every Python can read.
"""

import sys

import generator.bootstrap  # noqa: F401  # refuses a Python that is too old to read the rest


def main():  # type: ignore[no-untyped-def]  # Python 2 reads no annotations
    """Run the command line. It ends in a SystemExit with the exit status."""
    try:
        from generator.cli import run
    except ImportError as error:
        missing = error.name
        if not missing or missing.split(".")[0] == "generator":
            raise
    except KeyboardInterrupt:
        sys.stderr.write("make-deck: interrupted\n")
        raise SystemExit(130)  # noqa: B904  # Python 2 reads no `from None`
    else:
        raise SystemExit(run())
    sys.stderr.write(
        "make-deck: the package %s is not installed for %s.\n"
        "In a clone, `python3 -m generator.bootstrap build` installs what is needed and builds.\n"
        % (missing, sys.executable)
    )
    raise SystemExit(4)


if __name__ == "__main__":
    main()  # type: ignore[no-untyped-call]
