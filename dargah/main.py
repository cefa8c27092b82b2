"""
The command line: `dargah COMMAND ...`.

Each command is a file in dargah/commands with `options(parser)` and `run(args) -> int`. It is
imported only when it is called, so that `dargah lookup` starts at once.
"""

import argparse
import errno
import importlib
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import structlog
from setproctitle import setproctitle

from config.errors import ConfigError
from dargah.failures import Failure
from dargah.logs import set_up_logs

COMMANDS = {
    "demo": "try it: everything on loopback, with a synthetic population",
    "serve": "the gateway, from settings",
    "check": "prove settings, dialogue tree, phrases and guide before they are used",
    "dialogue": "draw, try, record and replay the dialogue; show its words; publish it, go back",
    "population": "write a synthetic population as CSV",
    "load": "load a population from CSV into a new generation, and switch to it",
    "apply": "changes of single people, from CSV or JSON lines, onto those who answer",
    "changes": "what waits in the feed of changes, and what could not be read",
    "notice": "a sentence before everything, on every channel, until it ends",
    "prompts": "list and build the recordings that callers hear",
    "generations": "list the generations",
    "rollback": "go back to the generation before",
    "registry": "see whether the registry answers; fill one of your own, to try it",
    "lookup": "verdicts for national IDs",
    "inquiry": "what was told under a tracking code",
    "journal": "the journal of what was told: its state and its keys",
    "recall": "find who was told something wrong after a bad load, and correct it",
    "key": "make, list and revoke API keys",
    "dial": "a handset in the terminal: dial a USSD code",
    "text": "a handset in the terminal: send an SMS, and read the reply",
    "call": "a telephone in the terminal: call the line, hear its prompts by name, press keys",
    "carrier": "an operator in a box: an SMSC and a USSD network to try a gateway against",
    "bench": "measure this machine against its own limits",
}


LOGGING = frozenset({"serve", "demo", "carrier"})
"""Commands that set their logs up themselves; the others show warnings alone."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (0 done, 1 could not, 2 wrong usage)."""
    for stream in (sys.stdin, sys.stdout):
        # One strange character is no reason to fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        try:
            return _run(argv)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has gone (`dargah generations | head`): nothing to complain of.
        _let_output_go()
        return 1
    except OSError as error:
        if not _is_of_output(error):
            return _unexpected()
        print(f"dargah: the output cannot be written: {error.strerror}.", file=sys.stderr)
        _let_output_go()
        return 1
    except Exception:
        return _unexpected()


def _run(argv: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    # The arguments may be a national ID or a number: they leave the process list at once.
    setproctitle(f"dargah {words[0]}" if words and words[0] in COMMANDS else "dargah")
    parser = _parser(words)
    args = parser.parse_args(words)
    if args.command is None:
        parser.print_help()
        return 2
    run: Callable[[argparse.Namespace], int] = args.run
    if args.command not in LOGGING:
        set_up_logs("warning", readable=True)
    try:
        return run(args)
    except (ConfigError, Failure) as error:
        print(f"dargah: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _is_of_output(error: OSError) -> bool:
    """Whether standard output failed: it still does then, or else its disk is full."""
    try:
        sys.stdout.flush()
    except OSError:
        return True
    return error.errno == errno.ENOSPC and error.filename is None


def _let_output_go() -> None:
    """Python would complain once more of what it cannot flush at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _unexpected() -> int:
    """A fault of ours: the whole trace, through the logs, which mask whatever could be an ID."""
    if not logging.getLogger().handlers:
        set_up_logs("warning", readable=True)
    structlog.get_logger("dargah").critical("unexpected", exc_info=True)
    return 1


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dargah",
        description="One line, every phone: is this person's treatment cover in force?",
    )
    parser.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="settings (TOML); else DARGAH_SETTINGS, else the defaults",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(
            name, help=purpose, description=f"{purpose[:1].upper()}{purpose[1:]}."
        )
        if name in words:
            module = importlib.import_module(f"dargah.commands.{name}")
            module.options(command)
            command.set_defaults(run=module.run)
            for one in (command, *_inner(command)):
                one.add_argument("--settings", type=Path, metavar="FILE", default=argparse.SUPPRESS)
    return parser


def _inner(command: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The commands of a command, such as `dialogue publish`."""
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()


if __name__ == "__main__":
    sys.exit(main())
