"""
The aggregators' HTTP convention, without the HTTP.

    sessionId=…&serviceCode=*4*1420%23&phoneNumber=%2B98…&text=1*…    ─▶    CON … or END …

`text` is cumulative. A form that cannot be read is answered 400 with a sentence for the
aggregator's engineers, which names the field and never its value.
"""

import unicodedata
from collections.abc import Mapping
from typing import NamedTuple

from telecom.msisdn import Msisdn, NotAnMsisdn
from ussd.conversation import UssdConversations
from ussd.requests import UssdRequest
from ussd.sessions import Told

MOST_CHARACTERS: Mapping[str, int] = {
    "sessionId": 128,
    "serviceCode": 200,
    "phoneNumber": 40,
    # Twenty answers of a whole screen each.
    "text": 4000,
}


class BadField(ValueError):
    """A field that is missing, too long or not what it should be. Never holds the value."""


class Body(NamedTuple):
    """HTTP status and body for a form; `told`, if the body has an answer: whose, and which."""

    status: int
    text: str
    told: tuple[Msisdn, Told] | None = None


class Aggregator:
    """One aggregator's requests; `operator` is whose session ids they are."""

    def __init__(self, conversations: UssdConversations, operator: str) -> None:
        self._conversations = conversations
        self._operator = operator

    async def answer(self, form: Mapping[str, str]) -> Body:
        """What to answer to the fields of a form."""
        try:
            request = self._request(form)
        except BadField as error:
            return Body(400, str(error))
        reply = await self._conversations.turn(request)
        told = (request.msisdn, reply.told) if reply.told is not None else None
        return Body(200, f"{'CON' if reply.more else 'END'} {reply.text}", told)

    def _request(self, form: Mapping[str, str]) -> UssdRequest:
        try:
            msisdn = Msisdn.parse(_field(form, "phoneNumber"))
        except NotAnMsisdn:
            raise BadField("phoneNumber is not a telephone number.") from None
        return UssdRequest(
            operator=self._operator,
            session_id=_field(form, "sessionId"),
            msisdn=msisdn,
            service_code=_field(form, "serviceCode"),
            text=_field(form, "text", empty=True),
        )


def _field(form: Mapping[str, str], name: str, *, empty: bool = False) -> str:
    value = form.get(name)
    if value is None:
        raise BadField(f"{name} is missing.")
    if not value and not empty:
        raise BadField(f"{name} is empty.")
    if len(value) > MOST_CHARACTERS[name]:
        raise BadField(f"{name} is longer than {MOST_CHARACTERS[name]} characters.")
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in value):
        raise BadField(f"{name} has control characters.")
    return value
