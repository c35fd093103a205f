"""The snippet's side of the verifier: what runs in the interpreter that runs strangers' code.

Standard library alone, any CPython from 3.11 on, no import of the rest of make-deck: in the sandbox only this folder is
there, as the package `inside`. `server` forks a child for each program (or `once` runs a single one), `program` runs
it, `watch` notices what goes wrong, `clock` and `jumping` make waiting free, `confine` builds the walls. The wire
between both sides is told in `wire`.
"""
