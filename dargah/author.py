"""An author at the terminal: tries the tree, records what was seen, and plays it again."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dargah.failures import Failure
from dargah.rehearsal import Rehearsal, Scene, Seen
from dargah.stage import Stage
from dargah.transcript import (
    MOST_INPUTS,
    difference,
    end_of,
    read_recorded,
    replayed,
    transcript,
    write_recorded,
)
from telecom.screen import octets_of


def rehearse(stage: Stage, entry: str) -> list[tuple[str, Scene]]:
    """Try the tree until it is over or there is no more input; every input and what was seen."""
    rehearsal = Rehearsal(stage)
    console = Console(highlight=False, soft_wrap=False)
    played = [(entry, rehearsal.dial(entry))]
    _show(console, played[0][1])
    told: list[str] = []
    while not rehearsal.over and len(played) < MOST_INPUTS:
        if (names := rehearsal.names) and names != told:
            console.print(Text(f"Name who is asked about: {', '.join(names)}", style="dim"))
            told = names
        text = _asked()
        if text is None:
            break
        try:
            scene = rehearsal.type(text)
        except Failure as error:
            console.print(Text(str(error)))
            continue
        played.append((text, scene))
        _show(console, scene)
    return played


def record(stage: Stage, entry: str, file: Path) -> int:
    """Try the tree and keep the session. A file that is there is not written over."""
    if file.exists():
        raise Failure(f"{file} is there already; name another, or remove it.")
    played = rehearse(stage, entry)
    write_recorded(file, transcript(played))
    print(f"{file}: {len(played)} inputs; `dargah dialogue replay {file}` plays them again.")
    return 0


def replay(stage: Stage, files: Sequence[Path], *, accept: bool) -> int:
    """Play sessions again and print where they differ; 1 if one does and is not accepted."""
    differ = 0
    for file in files:
        recorded = read_recorded(file)
        now = replayed(stage, recorded)
        found = difference(recorded, now)
        if not found:
            continue
        differ += 1
        print(found)
        if accept:
            write_recorded(file, now, recorded.notes)
    same = len(files) - differ
    print(f"{same} of {len(files)} sessions as recorded{', the others written anew' * accept}.")
    return 1 if differ and not accept else 0


def _asked() -> str | None:
    if sys.stdin.isatty():
        print("> ", end="", flush=True)
    line = sys.stdin.readline()
    return line.strip() if line else None


def _show(console: Console, scene: Scene) -> None:
    table = Table(box=SIMPLE, pad_edge=False, expand=True)
    for name, share in (("USSD", 3), ("SMS", 2), ("telephone", 3)):
        table.add_column(name, ratio=share, overflow="fold")
    table.add_row(_ussd(scene.ussd), Text(scene.sms or ""), _telephone(scene.telephone))
    console.print(table)


def _ussd(seen: Seen | None) -> Text:
    if seen is None:
        return Text()
    pages = [f"{page}\n({octets_of(page)} of 160 octets)" for page in seen.lines]
    return Text.assemble(_name(seen), "\n\n".join([*pages, *_end("USSD", seen)]))


def _telephone(seen: Seen | None) -> Text:
    if seen is None:
        return Text()
    return Text.assemble(_name(seen), "\n".join([*seen.lines, *_end("telephone", seen)]))


def _name(seen: Seen) -> tuple[str, str]:
    return f"[{seen.screen}]\n", "bold"


def _end(name: str, seen: Seen) -> list[str]:
    return [f"— {end_of(name, seen)}"] if seen.last else []
