"""The README's two commands: `python3 -m generator.bootstrap build` and `python3 -m generator.bootstrap test`.

This page is read by whatever Python the reader's machine has, so it keeps to a syntax that all of them know: an older
one gets a sentence instead of a traceback. Importing this module is the check; `environment.py` does the work.
"""

import sys

if sys.version_info < (3, 11):
    sys.stderr.write(
        "make-deck needs Python 3.11 or newer; this is Python %s (%s).\n"
        "Install a newer one, and start the command with it: python3.13 in place of python3, say.\n"
        % (".".join(map(str, sys.version_info[:3])), sys.executable)
    )
    raise SystemExit(2)

if __name__ == "__main__":
    from generator.environment import main

    raise SystemExit(main(sys.argv[1:]))
