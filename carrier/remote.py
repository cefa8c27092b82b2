"""The other end of the control port: one connection, blocking, for commands and tests."""

import json
import socket
from pathlib import Path
from typing import Self

from carrier.dialogue import Screen
from carrier.errors import CarrierError, WrongOrder
from carrier.handset import NETWORK_TIMEOUT
from carrier.settings import LONGEST_LINE
from carrier.socket_path import addressable

_PATIENCE = 5.0
"""Seconds beyond the network's own, for a carrier that is there but slow."""


class Remote:
    """A running carrier. Raises OSError where there is none on this socket, and whenever it ends.

    Every method raises CarrierError with the carrier's own sentence for what it could not do.
    """

    def __init__(self, path: Path, *, within: float = NETWORK_TIMEOUT) -> None:
        self._within = within
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(within + _PATIENCE)
            with addressable(path) as name:
                self._socket.connect(name)
        except OSError:
            self._socket.close()
            raise
        self._lines = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; phones in a dialogue press the red key."""
        self._lines.close()
        self._socket.close()

    def ask(self, do: str, **more: object) -> dict[str, object]:
        """One order, and its answer."""
        line = json.dumps({"do": do, "within": self._within, **more}).encode() + b"\n"
        if len(line) > LONGEST_LINE:
            raise WrongOrder("that is too long")
        self._socket.sendall(line)
        answer = self._lines.readline()
        if not answer:
            raise ConnectionResetError("the carrier has ended")
        told = json.loads(answer)
        assert isinstance(told, dict)
        if "error" in told:
            raise CarrierError(str(told["message"]))
        return told

    def text(self, msisdn: str, text: str) -> str:
        """Send a text; the text of the reply."""
        return str(self.ask("text", msisdn=msisdn, text=text)["text"])

    def message(self, msisdn: str) -> str:
        """The text of the next message, of those that came on this connection the oldest."""
        return str(self.ask("message", msisdn=msisdn)["text"])

    def phone(self, msisdn: str) -> "RemotePhone":
        """A phone to dial with."""
        return RemotePhone(self, msisdn)

    def switch(self, **faults: object) -> dict[str, object]:
        """Switch faults; all of them as they are then."""
        return self.ask("faults", switch=faults)


class RemotePhone:
    """One phone of a running carrier, for USSD. Its methods raise as Remote's do."""

    def __init__(self, remote: Remote, msisdn: str) -> None:
        self._remote = remote
        self._msisdn = msisdn

    def dial(self, code: str) -> Screen:
        """Dial a code."""
        return _screen(self._remote.ask("dial", msisdn=self._msisdn, code=code))

    def reply(self, text: str) -> Screen:
        """Answer the screen."""
        return _screen(self._remote.ask("reply", msisdn=self._msisdn, text=text))


def _screen(told: dict[str, object]) -> Screen:
    return Screen(str(told["text"]), told["more"] is True)
