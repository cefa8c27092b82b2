"""Why a handset or the network could not do what it was asked. No text holds a number."""


class CarrierError(Exception):
    """Anything that the carrier could not do; one sentence. `word` names it on the control port."""

    word = "carrier"


class NoLink(CarrierError):
    """No gateway is bound that takes messages."""

    word = "no_link"


class NoReply(CarrierError):
    """The gateway gave no answer within the network's time."""

    word = "no_reply"


class Refused(CarrierError):
    """The gateway refused the message for good."""

    word = "refused"

    def __init__(self, status: int) -> None:
        super().__init__(f"the gateway refused the message (command_status {status:#04x})")
        self.status = status


class NoDialogue(CarrierError):
    """The handset is in no USSD dialogue that takes an answer."""

    word = "no_dialogue"


class WrongOrder(CarrierError):
    """What was asked of the carrier makes no sense."""

    word = "wrong_order"
