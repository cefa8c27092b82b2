"""What can be wrong with an operator's side, switched while it runs."""

from dataclasses import dataclass, fields

from carrier.errors import WrongOrder
from smpp.pdu import Status

_LARGEST = 2**31 - 1


@dataclass(slots=True)
class Faults:
    """All off at first. Times in seconds; a count goes down to 0 as its fault happens."""

    refuse_binds: int = 0
    """The command_status that answers every bind, 0 to accept (0x0D 13, 0x0E 14, 0x0F 15)."""
    throttle: int = 0
    """So many submit_sm are refused with `throttle_status`."""
    throttle_status: int = Status.THROTTLED
    delay: float = 0.0
    """From a submit_sm to its answer; what it carries arrives at once."""
    drop_after: int = 0
    """The connection is cut at the PDU of the gateway's that comes so many from now, unread."""
    one_byte: bool = False
    """Everything is written octet by octet."""
    duplicate: int = 0
    """So many messages are delivered twice."""
    refuse_screens: int = 0
    """So many USSD screens are refused (0x45), and their dialogues are over."""
    lose_dialogues: int = 0
    """So many dialogues end while their screen waits for an answer: the phone has lost coverage,
    and the gateway is told by an abort."""
    hasty: bool = False
    """Messages and parts go out at once, whether the ones before were answered or not."""
    early_receipts: bool = False
    """A receipt comes before the answer to its submit_sm."""
    hex_receipts: bool = False
    """A receipt tells the message_id in hexadecimal, where its answer told it in decimal."""
    plain_receipts: bool = False
    """A receipt is text alone, without parameters."""

    def switch(self, name: str, value: object) -> None:
        """Set one by its name. Raises WrongOrder for what isn't one, or isn't its kind."""
        kinds: dict[str, object] = {field.name: field.default for field in fields(self)}
        match kinds.get(name), value:
            case (None, _):
                raise WrongOrder(f"no such fault; there are {', '.join(kinds)}")
            case (bool(), bool()):
                pass
            case (bool(), _):
                raise WrongOrder(f"{name} takes true or false")
            case (_, bool()):
                raise WrongOrder(f"{name} takes a number")
            case (int(), int(number)) | (float(), int(number) | float(number)) if (
                0 <= number <= _LARGEST
            ):
                pass
            case _:
                raise WrongOrder(f"{name} takes a number from 0")
        setattr(self, name, value)

    def spend(self, name: str) -> bool:
        """Whether a counted fault happens now; one less of it is left then."""
        left: int = getattr(self, name)
        if left:
            setattr(self, name, left - 1)
        return bool(left)
