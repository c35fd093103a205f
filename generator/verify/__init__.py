"""Verify: run every program of a deck and judge what was seen. The stage after parsing; `verify_deck` is all of it."""

from generator.verify.findings import UNSTABLE
from generator.verify.launch import MachineError
from generator.verify.rewrite import Rewrite, applied
from generator.verify.stage import Options, verify_deck
from generator.verify.verdicts import Verification

__all__ = ["UNSTABLE", "MachineError", "Options", "Rewrite", "Verification", "applied", "verify_deck"]
