"""Verify: run every program of a deck and judge what was seen. The stage after parsing; `verify_deck` is all of it."""

from generator.verify.launch import MachineError
from generator.verify.stage import Options, Verification, verify_deck

__all__ = ["MachineError", "Options", "Verification", "verify_deck"]
