"""A gateway that offers to go on, for tests, and phones on both of its ways in."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from dialogue.preferences import Preferences
from dialogue.resume import CHOICES, TITLE
from dialogue.version import OneVersion, Version, Versions
from state.commands import Commands
from state.sessions import SessionStore
from telecom.msisdn import Msisdn
from telecom.screen import Limit
from tests.scripted_inquirer import PHRASES, TREE, ScriptedInquirer
from tests.ussd_line import FA, HASHES, MENU, NUMBER
from ussd.conversation import UssdConversations, UssdTimes
from ussd.requests import Dialogue, UssdRequest
from ussd.sessions import UssdReply
from ussd.turning import Turned

ASKS = UssdReply(FA["ask_id"], more=True)
STARTS = UssdReply(MENU, more=True)
OTHER = Msisdn("989351234567")


def offer(label: str, language: str = "fa") -> UssdReply:
    """The screen that offers to go on with what an option led to."""
    texts = PHRASES[language].phrases
    keys = [f"{choice.key} {texts[choice.label].text}" for choice in CHOICES]
    return UssdReply("\n".join((texts[TITLE].text, texts[label].text, *keys)), more=True)


TREATMENT = offer("option_treatment")


@dataclass
class Site:
    """A gateway, and phones on both of its ways in."""

    commands: Commands
    versions: Versions[Version] = field(default_factory=lambda: OneVersion(Version(TREE, PHRASES)))
    resume: float = 300.0
    inquirer: ScriptedInquirer = field(default_factory=ScriptedInquirer)
    turned: list[Turned] = field(default_factory=list)
    preferences: Preferences | None = None
    dialogues: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.gateway = UssdConversations(
            self.versions,
            self.inquirer,
            SessionStore(self.commands),
            HASHES,
            times=UssdTimes(resume=self.resume),
            preferences=self.preferences,
            turned=self.turned.append,
        )

    async def by_http(
        self, *typed: str, code: str = "*4*1420#", number: Msisdn = NUMBER
    ) -> UssdReply:
        """Dial in a new session, type these, and hang up; what was shown last."""
        request = UssdRequest("aggregator", f"h{next(self.dialogues)}", number, code, "")
        reply = await self.gateway.turn(request)
        for position in range(1, len(typed) + 1):
            assert reply.more
            reply = await self.gateway.turn(replace(request, text="*".join(typed[:position])))
        return reply

    async def by_smpp(
        self,
        *typed: str,
        code: str = "*4*1420#",
        number: Msisdn = NUMBER,
        limit: Limit | None = None,
        told: bool = False,
    ) -> UssdReply:
        """As `by_http`; told: the network ends the dialogue by an abort."""
        dialogue = Dialogue("mci", f"{next(self.dialogues):x}", number)
        if limit is not None:
            dialogue = replace(dialogue, limit=limit)
        reply = await self.gateway.begin(dialogue, code)
        for unit, text in enumerate(typed):
            assert reply is not None
            assert reply.more
            reply = await self.gateway.go_on(dialogue, text, 2 * unit + 2)
        if told:
            await self.gateway.abort(dialogue)
        assert reply is not None
        return reply
