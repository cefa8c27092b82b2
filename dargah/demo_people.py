"""The demo's population: synthetic, and loaded through the ordinary loader."""

from datetime import timedelta
from pathlib import Path

from config.settings import Settings
from dargah.loading import load_file
from dargah.wiring import clock, stores_of
from eligibility.generations import Generations
from eligibility.load import LoadOptions
from eligibility.population import Example, examples
from eligibility.population_file import write_population
from persian.jalali import tehran_date

SEED = 1420


async def ready_people(settings: Settings, number: int) -> list[Example]:
    """See that so many synthetic people are loaded today; an example of each outcome.

    Raises Failure.
    """
    today = tehran_date(clock())
    file = Path(f"people-{number}-{today:%Y%m%d}.csv")
    async with stores_of(settings) as stores:
        generations = Generations(stores.cache, stores.state)
        current = await generations.current()
        loaded = (
            current is not None
            and current.source == file.name
            and await generations.lies_whole(current)
        )
        if not loaded:
            path = settings.data_folder / file
            write_population(path, number, SEED, today)
            try:
                # Another number of people is what was asked for, not a file cut short.
                options = LoadOptions(accept=True, as_of=clock() - timedelta(seconds=1))
                await load_file(settings, path, options)
            finally:
                path.unlink(missing_ok=True)
    return examples(number, SEED, today)
