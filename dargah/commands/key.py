"""`dargah key`: the keys of providers' systems."""

import argparse
import asyncio
import os
import secrets

from api.keys import SCOPES, ApiKeys
from config.settings import Settings, read_settings
from dargah.failures import Failure
from dargah.wiring import clock, proven_kept, required_folder, stores_of


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah key`."""
    does = parser.add_subparsers(dest="does", required=True, metavar="create|list|revoke")
    create = does.add_parser("create", help="make a key and print it, this once")
    create.add_argument("name", help="whose it is, such as 'Razi pharmacy'")
    create.add_argument(
        "--scope",
        action="append",
        choices=sorted(SCOPES),
        help="what it may do besides asking for eligibility (details: kind and branch)",
    )
    does.add_parser("list", help="every key, without its secret")
    revoke = does.add_parser("revoke", help="refuse a key from now on")
    revoke.add_argument("id", help="the eight characters after dg_")


def run(args: argparse.Namespace) -> int:
    """Make, list or revoke."""
    return asyncio.run(_run(read_settings(args.settings, os.environ), args))


async def _run(settings: Settings, args: argparse.Namespace) -> int:
    required_folder(settings.data_folder)
    async with stores_of(settings) as stores:
        keys = ApiKeys(stores.state)
        if args.does == "create":
            wanted = {"eligibility", *(args.scope or ())}
            try:
                made = await keys.create(args.name, wanted, secrets.token_bytes, clock())
            except ValueError as error:
                raise Failure(f"{error}.") from None
            await proven_kept(stores.state)
            print(made)
        elif args.does == "list":
            for key in await keys.list():
                state = f"revoked {key.revoked:%Y-%m-%d}" if key.revoked else "in force"
                scopes = ",".join(sorted(key.scopes))
                print(f"{key.id}  {key.created:%Y-%m-%d}  {state:<18}  {scopes:<22}  {key.name}")
        elif await keys.revoke(args.id, clock()):
            print(f"Key {args.id} is refused from now on.")
        else:
            raise Failure("there is no key with this id; `dargah key list` shows them.")
    return 0
