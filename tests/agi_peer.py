"""
An Asterisk by hand: it reads AGI commands as bytes, replies as told, and types for its caller.

Digits wait in `keys`, a list of what the caller types at each question; a prompt that is in
`missing` is not there. What was played is in `heard`, in order.
"""

import asyncio
import shlex
from collections.abc import Callable

ENVIRONMENT = b"agi_request: agi://127.0.0.1/call\nagi_uniqueid: 1.1\n"


class AgiPeer:
    """Asterisk's end of one call. `tell` takes its bytes; give `write` to a Line."""

    def __init__(
        self, keys: list[str], *, missing: frozenset[str] = frozenset(), hangs_up_at: int = -1
    ) -> None:
        self.tell: Callable[[bytes], None] = lambda data: None
        self.keys = keys
        self.missing = missing
        self.hangs_up_at = hangs_up_at
        self.commands: list[str] = []
        self.heard: list[str] = []
        self.variables: dict[str, str] = {}
        self.hung_up = False

    def begin(self, caller: str = "09121234567", pres: str = "0") -> None:
        """Send the environment."""
        about = f"agi_callerid: {caller}\nagi_callingpres: {pres}\n\n"
        self.tell(ENVIRONMENT + about.encode())

    def write(self, data: bytes) -> None:
        """A command has come; the reply goes out in a later turn of the loop."""
        assert data.endswith(b"\n")
        assert data.count(b"\n") == 1
        self.commands.append(data.decode().rstrip("\n"))
        if len(self.commands) - 1 == self.hangs_up_at:
            self.hung_up = True
            reply = b"HANGUP\n"
        else:
            reply = f"{self._reply(shlex.split(data.decode()))}\n".encode()
        asyncio.get_running_loop().call_soon(self.tell, reply)

    def _reply(self, words: list[str]) -> str:
        match words:
            case ["ANSWER"]:
                return "200 result=0"
            case ["CHANNEL", "STATUS"]:
                return "200 result=6"
            case ["STREAM", "FILE", name, ""]:
                return "200 result=0 endpos=8000" if self._plays(name) else "200 result=-1 endpos=0"
            case ["GET", "DATA", name, _, most]:
                if name and not self._plays(name):
                    return "200 result=-1"
                return self._collected(int(most))
            case ["EXEC", "Playback", names]:
                played = [self._plays(name) for name in names.split("&")]
                self.variables["PLAYBACKSTATUS"] = "SUCCESS" if all(played) else "FAILED"
                return "200 result=0"
            case ["EXEC", "Read", arguments]:
                return self._read(arguments.split(","))
            case ["GET", "VARIABLE", name]:
                value = self.variables.get(name)
                return "200 result=0" if value is None else f"200 result=1 ({value})"
            case ["SET", "VARIABLE", name, value]:
                self.variables[name] = value
                return "200 result=1"
        return "510 Invalid or unknown command"

    def _read(self, arguments: list[str]) -> str:
        variable, names, most, *_ = arguments
        played = [self._plays(name) for name in names.split("&")]
        # As Asterisk: it passes over missing prompts, but for the last.
        if not played[-1]:
            self.variables["READSTATUS"] = "HANGUP"
            return "200 result=0"
        typed = self._typed(int(most))
        self.variables[variable] = typed.rstrip("#")
        done = typed.endswith("#") or len(typed) == int(most)
        self.variables["READSTATUS"] = "OK" if done else "TIMEOUT"
        return "200 result=0"

    def _collected(self, most: int) -> str:
        typed = self._typed(most)
        if typed.endswith("#") or len(typed) == most:
            return f"200 result={typed.rstrip('#')}"
        return f"200 result={typed} (timeout)"

    def _typed(self, most: int) -> str:
        """What is typed at this question; the rest stays for the next one."""
        if not self.keys:
            return ""
        typed = self.keys[0]
        end = typed.find("#") + 1 or len(typed)
        taken = typed[: min(end, most)]
        rest = typed[len(taken) :]
        self.keys[:1] = [rest] if rest else []
        return taken

    def _plays(self, name: str) -> bool:
        if name in self.missing:
            return False
        self.heard.append(name)
        return True
