"""Publishing a dialogue as an operator sees it: proved here first, then put before everybody."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from config.settings import Settings
from dargah.dialogue_of_settings import building, folders_of, own_version, version_of
from dargah.failures import Failure
from dargah.ivr_port import prompts_folder
from dargah.wiring import clock, required_folder, stores_of
from dialogue.bundle import BadBundle, read_bundle
from dialogue.published import PUBLISHED, WENT_BACK, Change, NotPublished, Published
from ivr.build_prompts import missing
from ivr.version import SpokenVersion
from persian.jalali import TEHRAN, jalali_date, tehran_date
from state.commands import Commands

OWN = "the gateways' own files"
MOST_SHOWN = 20


async def publish(settings: Settings, chosen: Mapping[str, Path], by: str) -> int:
    """Prove the files and put them in service. Raises ConfigError with the first finding."""
    folders = {**folders_of(settings), **chosen}
    # From the files first: their findings have paths. Then as every gateway will build it.
    version_of(folders)
    bundle = read_bundle(folders)
    version = building(settings)(bundle)
    required_folder(settings.data_folder)
    try:
        async with stores_of(settings) as stores:
            new = await Published(stores.state).publish(bundle, by, clock())
    except BadBundle as error:
        raise Failure(str(error)) from None
    if not new:
        print(f"Version {bundle.digest} is in service already; gateways that refused it try again.")
        return 0
    for name, folder in folders.items():
        print(f"{name:<9} from {folder}")
    print(
        f"Version {bundle.digest} is in service: {len(version.tree.screens)} screens in "
        f"{len(version.phrases)} languages, all proven. Running gateways follow within two "
        "seconds; conversations in flight finish as they began."
    )
    if lacking := missing(version.voices, prompts_folder(settings)):
        print(
            f"Telephone: {len(lacking)} recordings are not in {prompts_folder(settings)}, such as "
            f"{lacking[0]}; `dargah prompts --build --voice DIR` makes them."
        )
    return 0


async def go_back(settings: Settings, version: str | None, by: str) -> int:
    """Put the version before, or the one named, in service."""
    required_folder(settings.data_folder)
    try:
        async with stores_of(settings) as stores:
            digest = await Published(stores.state).go_back(by, clock(), version)
    except (NotPublished, BadBundle) as error:
        raise Failure(str(error)) from None
    print(f"In service again: {digest or OWN}. Running gateways follow within two seconds.")
    return 0


async def show_versions(settings: Settings) -> int:
    """A line for each version that is kept, and for each change."""
    required_folder(settings.data_folder)
    try:
        async with stores_of(settings) as stores:
            published = Published(stores.state)
            now, kept = await published.now(), await published.kept()
            changes = await published.changes()
    except BadBundle as error:
        raise Failure(str(error)) from None
    if not now.digest:
        print(f"In service: {OWN}.")
    for facts in kept:
        mark = "  <- in service" if facts.digest == now.digest else ""
        after = f"after {facts.before or OWN}"
        print(f"{facts.digest}  {moment(facts.at)}  by {facts.by}, {after}{mark}")
    if changes:
        print("\nChanges, the newest first:")
    for change in changes[:MOST_SHOWN]:
        print(f"  {moment(change.at)}  {change.by} {_what(change)}")
    return 0


async def version_now(settings: Settings, state: Commands) -> SpokenVersion:
    """The version in service. Raises ConfigError, Unavailable or ReplyError."""
    published = Published(state)
    try:
        now = await published.now()
        bundle = await published.bundle(now.digest) if now.digest else None
    except BadBundle as error:
        raise Failure(f"the version in service cannot be read: {error}") from None
    if bundle is None:
        return own_version(settings)
    # Proved when it was published, maybe under other settings than those here.
    return building(replace(settings, smpp=()))(bundle)


def moment(at: datetime) -> str:
    """A moment as it is in Tehran."""
    return f"{jalali_date(tehran_date(at))} {at.astimezone(TEHRAN):%H:%M}"


def _what(change: Change) -> str:
    where = {PUBLISHED: f" {change.digest}", WENT_BACK: f" to {change.digest or OWN}"}
    return change.did + where.get(change.did, "")
