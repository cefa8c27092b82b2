"""`dargah population N FILE.csv`: a synthetic population, made of numbers."""

import argparse
from pathlib import Path

from dargah.failures import Failure
from dargah.wiring import clock
from eligibility.population_file import write_population
from persian.jalali import tehran_date


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah population`."""
    parser.add_argument("people", type=int, metavar="N", help="how many")
    parser.add_argument("file", type=Path, metavar="FILE.csv")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another population (1)")


def run(args: argparse.Namespace) -> int:
    """Write the file."""
    try:
        write_population(args.file, args.people, args.seed, tehran_date(clock()))
    except ValueError as error:
        raise Failure(f"{error}.") from None
    except OSError as error:
        raise Failure(f"{args.file} cannot be written ({error.strerror}).") from None
    print(f"{args.file}: {args.people:,} people (seed {args.seed}).")
    return 0
