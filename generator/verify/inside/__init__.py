"""The snippet's side of the verifier: what runs in the interpreter that runs strangers' code.

Standard library alone, any CPython from 3.11 on, no import of the rest of make-deck: in the sandbox only this folder is
there, as the package `inside`.

    server    forks a child for each program; `once` runs a single one in a fresh interpreter
    program   runs it; `steps` compiles its pieces, `streams` are its standard streams
    watch     notices what goes wrong, with `warned`, `tasks`, `sightings` and `timeline`
    clock     makes waiting free; `jumping` teaches it to event loops and pools; `outside` is what else may wake it
    confine   builds the walls, with `kernel`, `scratch` and `refusals`
    unused    finds what is called for nothing
    waits     looks after calls that block, `locks` after a program's own locks
    whereabouts  tells where a program is that must be stopped
    wire      tells what both sides say to each other
"""
