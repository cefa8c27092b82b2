"""`dargah rollback`: the generation before answers again."""

import argparse
import asyncio
import os
from datetime import timedelta

from config.settings import Settings, read_settings
from dargah.counted import counted
from dargah.failures import Failure
from dargah.wiring import clock, freshness_of, required_folder, stores_of
from eligibility.generations import Generations, NoRollback


def options(parser: argparse.ArgumentParser) -> None:
    """Nothing follows."""


def run(args: argparse.Namespace) -> int:
    """Switch, and say to what."""
    return asyncio.run(_roll_back(read_settings(args.settings, os.environ)))


async def _roll_back(settings: Settings) -> int:
    required_folder(settings.data_folder)
    async with stores_of(settings) as stores:
        try:
            generation = await Generations(stores.cache, stores.state).roll_back()
        except NoRollback as error:
            raise Failure(str(error)) from None
    usable_for = freshness_of(settings).usable_for
    print(
        f"Generation {generation.number} answers again: "
        f"{counted(generation.people, 'person', 'people')} as of "
        f"{generation.as_of:%Y-%m-%d %H:%M} UTC. Running gateways follow within a second."
    )
    if clock() - generation.as_of > usable_for:
        print(
            f"That is more than {usable_for / timedelta(days=1):g} days ago "
            "(eligibility.usable_for): people whose facts are no newer are told CANNOT_CHECK. Load "
            "a newer export."
        )
    return 0
