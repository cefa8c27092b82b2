"""Whose fault it is, on a telephone line. No text here holds a value from a caller."""


class RemoteProtocolError(Exception):
    """The peer does not speak FastAGI as Asterisk does; drop the connection."""


class LocalProtocolError(Exception):
    """Our own bug: a command that must not be sent, or one too many at once."""


class Hangup(Exception):
    """The caller has hung up, or the connection is gone; nobody is listening."""


class LineStuck(Exception):
    """Asterisk did not answer a command in its time; the call cannot go on."""


class CommandRefused(Exception):
    """Asterisk does not know the command, or not with these arguments (510, 520)."""


class MissingPrompt(Exception):
    """A prompt file is not where Asterisk looks for it; the caller is still there."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(f"missing among {', '.join(names)}")
        self.names = names
