"""A notice as an operator sets it: what each channel makes of it, shown before it is set."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from config.settings import Settings
from dargah.failures import Failure
from dargah.ivr_port import prompts_folder
from dargah.publishing import moment, version_now
from dargah.wiring import clock, required_folder, stores_of
from dialogue.advance import advance
from dialogue.bundle import BadBundle
from dialogue.check_texts import text_renderings
from dialogue.notice import RECORDING, Notice, in_force, proven
from dialogue.phrases import codes_of
from dialogue.published import SET, Published
from dialogue.state import EXPIRED
from dialogue.steps import Show, Start
from dialogue.version import Version
from sms.answer import with_notice
from telecom.channel import Channel
from telecom.screen import octets_of
from ussd.rendering import render


async def set_notice(
    settings: Settings,
    text: str,
    others: Mapping[str, str],
    until: datetime,
    *,
    by: str,
    at: datetime,
    spoken: bool | None,
) -> int:
    """Prove it, show what becomes of it, set it.

    `spoken`: whether its recordings say this; None: those do that are newer than the notice
    before. Raises ConfigError or Failure.
    """
    required_folder(settings.data_folder)
    async with stores_of(settings) as stores:
        version = await version_now(settings, stores.state)
        published = Published(stores.state)
        first = version.tree.languages[0]
        texts = {**others, first: text}
        earlier = [change.at for change in await published.changes() if change.did == SET]
        since = max(earlier, default=datetime.min.replace(tzinfo=UTC)) if spoken is None else None
        recorded = _recorded(prompts_folder(settings), texts, since)
        said = frozenset[str]() if spoken is False else recorded
        notice = proven(Notice(texts, until, by, at, said), version.phrases)
        print(*_shown(notice, version, prompts_folder(settings)), sep="\n")
        await published.set_notice(notice)
    print(f"Set until {moment(until)} Tehran. Running gateways follow within two seconds.")
    return 0


async def clear_notice(settings: Settings, by: str) -> int:
    """End the notice."""
    required_folder(settings.data_folder)
    async with stores_of(settings) as stores:
        if not await Published(stores.state).clear_notice(by, clock()):
            raise Failure("there is no notice.")
    print("Cleared. Running gateways follow within two seconds.")
    return 0


async def show_notice(settings: Settings) -> int:
    """What is before everything now."""
    required_folder(settings.data_folder)
    async with stores_of(settings) as stores:
        try:
            notice = in_force((await Published(stores.state).now()).notice, clock())
        except BadBundle as error:
            raise Failure(str(error)) from None
        if notice is None:
            print("There is no notice.")
            return 0
        version = await version_now(settings, stores.state)
    print(*_shown(notice, version, prompts_folder(settings)), sep="\n")
    print(f"Until {moment(notice.until)} Tehran; set {moment(notice.at)} by {notice.by}.")
    return 0


def _shown(notice: Notice, version: Version, prompts: Path) -> Iterator[str]:
    """What becomes of it on each channel, in lines for the operator."""
    tree = version.tree
    for code in codes_of(tree.languages, version.phrases):
        text = notice.text(code)
        if text is None:
            yield f"{code}: nothing is said before anything in this language."
            continue
        for entry in tree.entries:
            _, step = advance(tree.on(Channel.USSD), EXPIRED, Start(entry, code))
            if isinstance(step, Show):
                yield from _screen(render(version.phrases, step, notice=text), entry, code)
        texts = [
            each.text for each in text_renderings(tree, version.phrases) if each.language == code
        ]
        room = sum(with_notice(text, each) != each for each in texts)
        yield f"SMS ({code}): before {room} of {len(texts)} answers; the rest leave no room for it."
        if code in tree.languages:  # a script is read, never heard
            yield _telephone(notice, code, prompts)


def _screen(pages: list[str], entry: str, code: str) -> Iterator[str]:
    for number, page in enumerate(pages, start=1):
        of = f", page {number} of {len(pages)}" if len(pages) > 1 else ""
        yield f"USSD {entry}# ({code}{of})"
        yield from (f"  │ {line}" for line in page.split("\n"))
        yield f"  └ {octets_of(page)} of 160 octets"


def _telephone(notice: Notice, code: str, prompts: Path) -> str:
    file = _recording(prompts, code)
    made = _made(file)
    if made is None:
        return f"Telephone ({code}): WARNING: not spoken, there is no recording {file}."
    if code not in notice.spoken:
        return (
            f"Telephone ({code}): WARNING: not spoken. {file} is of {moment(made)}; if it says "
            "this, add --spoken."
        )
    return f"Telephone ({code}): {file}, of {moment(made)}, is spoken first."


def _recorded(folder: Path, languages: Iterable[str], since: datetime | None) -> frozenset[str]:
    """The languages with a recording; with `since`, with one that is newer."""
    made = {code: _made(_recording(folder, code)) for code in languages}
    return frozenset(
        code for code, at in made.items() if at is not None and (since is None or at > since)
    )


def _recording(folder: Path, code: str) -> Path:
    return folder / code / f"{RECORDING}.wav"


def _made(file: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except OSError:
        return None
