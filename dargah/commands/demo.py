"""
`dargah demo`: the gateway on loopback with a synthetic population, ready to be tried.

Everything of it lies in `demo/` of the data folder, apart from a real gateway's data. `--once`
plays every outcome through every route on a folder and ports of its own, and ends.
"""

import argparse
import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from api.keys import ApiKeys
from config.errors import ConfigError
from config.settings import Settings, read_settings
from dargah import loop
from dargah.demo_folder import demo_folder
from dargah.demo_key import FILE as KEY_FILE
from dargah.demo_key import demo_key
from dargah.demo_people import ready_people
from dargah.logs import set_up_logs
from dargah.once import play_all, routes
from dargah.serving import Serving, serving
from dargah.wiring import dialogue_of, required_folder
from eligibility.population import Example
from persian.jalali import jalali_date
from state.embedded import stopped

PEOPLE = 100_000

STOP = 30.0
"""Seconds for the demo's Redis to end; its folder may be removed after that."""


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah demo`."""
    parser.add_argument(
        "--once",
        action="store_true",
        help="play every outcome through every route, print what is seen, and end: 0 if all agree",
    )
    parser.add_argument(
        "--people", type=int, default=PEOPLE, metavar="N", help=f"how many ({PEOPLE})"
    )


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop, or play once."""
    settings = read_settings(args.settings, os.environ)
    set_up_logs("error" if args.once else settings.log.level, readable=True)
    reactor = loop.install()
    with _place(settings, once=args.once) as folder:
        own = _settings_of_demo(settings, folder, once=args.once)

        async def main(stopping: asyncio.Event) -> int:
            print(f"Getting {args.people:,} synthetic people ready ...", flush=True)
            people = await ready_people(own, args.people)
            async with serving(reactor, own) as served:
                key = await demo_key(ApiKeys(served.stores.state), folder)
                if args.once:
                    code = await _once(own, served, key, people)
                else:
                    _invite(own, served, people)
                    await stopping.wait()
                    code = 0
                    print("Stopping ...", flush=True)
            await stopped(folder, STOP)
            return code

        return loop.run(reactor, main)


@contextmanager
def _place(settings: Settings, *, once: bool) -> Iterator[Path]:
    """The demo's folder; for `--once` one that is gone afterwards."""
    folder = required_folder(demo_folder(settings.data_folder))
    if not once:
        yield folder
        return
    own = Path(tempfile.mkdtemp(prefix="once-", dir=folder))
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _settings_of_demo(settings: Settings, folder: Path, *, once: bool) -> Settings:
    """The operator's settings, but: the demo's folder, its Redis, loopback, and no budget.

    One person tries a demo with many questions; a budget would only be in the way.
    """
    if any((settings.redis.cache_url, settings.redis.state_url)):
        raise ConfigError(
            f"{settings.where('redis')}: the demo never touches a Redis of yours; "
            "run it without these settings."
        )
    port, metrics_port = (0, 0) if once else (settings.http.port, settings.metrics.port)
    return replace(
        settings,
        data_folder=folder,
        http=replace(settings.http, host="127.0.0.1", port=port, tls_certificate="", tls_key=""),
        metrics=replace(settings.metrics, host="127.0.0.1", port=metrics_port),
        eligibility=replace(settings.eligibility, phone_burst=0),
    )


async def _once(settings: Settings, served: Serving, key: str, people: list[Example]) -> int:
    tree, phrases = dialogue_of(settings)
    ways = routes(served.http, key, tree, phrases, settings.ussd.secret.value)
    wrong = await play_all(people, ways, served.stores.cache)
    if wrong:
        print("\nNot all routes agree:")
        for fault in wrong:
            print(f"  {fault}")
        return 1
    print("\nAll routes agree: the same outcome and day on each, every tracking code valid.")
    return 0


def _invite(settings: Settings, served: Serving, people: list[Example]) -> None:
    folder = _short(settings.data_folder)
    print(f"""
Dargah is on the line.

  a phone           .venv/bin/dargah dial '*4*1420#'     (or '*4*1420*1#', '*1666#')
  a provider        curl -s {served.http}/v1/eligibility \\
                      -H "Authorization: Bearer $(cat {folder}/{KEY_FILE})" \\
                      -d '{{"national_id": "{people[0].national_id.digits}"}}'
  its state         curl -s {served.http}/readyz
  its metrics       curl -s {served.metrics}/metrics

People to ask about (made of numbers; nobody real):
""")
    for example in people:
        day = f"  {jalali_date(example.day)}" if example.day else ""
        print(f"  {example.national_id.digits}   {example.outcome}{day}")
    print("\nTry it from another terminal. Ctrl-C ends it.\n", flush=True)


def _short(path: Path) -> Path:
    """A path as a person would type it here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
