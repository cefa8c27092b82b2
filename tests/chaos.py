"""
What long tests of faults share: a seed that is told, and how many rounds to play.

A test marked `chaos` is left out of `make test` and run by `make chaos`. It draws from `drawing()`,
so that `make chaos SEED=N` draws the same again; what time does to it cannot be repeated.
"""

import os
import secrets
from random import Random

ROUNDS = int(os.environ.get("DARGAH_CHAOS_ROUNDS") or 12)
"""Faults that one test goes through."""


def drawing(what: str) -> Random:
    """A source for one test, with its seed shown."""
    seed = int(os.environ.get("DARGAH_CHAOS_SEED") or secrets.randbelow(1_000_000))
    print(f"\n{what}: SEED={seed}, {ROUNDS} rounds")
    return Random(f"{seed} {what}")
