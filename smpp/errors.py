"""Whose fault it is, said by the type."""


class SmppError(Exception):
    """Anything that SMPP itself refuses."""


class LocalProtocolError(SmppError):
    """Our own bug: a field too long, a request that this side may not make. Be loud."""


class RemoteProtocolError(SmppError):
    """The peer's stream can't be followed any further: nack, then close."""


class BadPdu(SmppError):
    """One frame whose body is wrong; the frames after it are sound.

    status: the command_status to answer with, if it was a request.
    command_status: what its own header said.
    """

    def __init__(self, status: int, sequence: int, command_id: int, command_status: int) -> None:
        super().__init__(f"command_id {command_id:#010x}: status {status:#04x}")
        self.status = status
        self.sequence = sequence
        self.command_id = command_id
        self.command_status = command_status


class Busy(SmppError):
    """The window and the queue behind it are full: try later or tell the person."""


class NotBound(SmppError):
    """No bind now, or none that carries this request."""
