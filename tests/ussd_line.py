"""A phone on a gateway's USSD, over a real Redis."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from dialogue.phrases import Phrases
from dialogue.preferences import Preferences
from dialogue.tree import Tree
from dialogue.version import OneVersion, Version, Versions
from state.commands import Commands
from state.keyed_hash import KeyedHash
from state.link import Redis, open_redis
from state.sessions import SessionStore
from telecom.msisdn import Msisdn
from tests.redis_server import RunningRedis
from tests.scripted_inquirer import PHRASES, TREE, ScriptedInquirer
from ussd.conversation import UssdConversations, UssdTimes
from ussd.requests import UssdRequest
from ussd.sessions import UssdReply
from ussd.turning import Turned

HASHES = KeyedHash(b"a key for the tests alone, 32 by")
NUMBER = Msisdn("989121234567")
FA = {key: phrase.text for key, phrase in PHRASES["fa"].phrases.items()}
MENU = "تأمین اجتماعی 1420\n1 اعتبار درمان\n2 پیگیری\n3 راهنمای خدمات\n9 English/Farsi"
MENU_EN = (
    "Social Security 1420\n1 Treatment cover\n2 Follow-up\n3 Guide to services\n9 English/Farsi"
)
ANSWER = "اعتبار درمان تا ۱۴۰۵/۱۲/۲۹ برقرار است.\nکد پیگیری: 48305172606"


@dataclass
class Line:
    """A phone on a gateway: what it types is sent cumulatively, as an aggregator does."""

    commands: Commands
    inquirer: ScriptedInquirer = field(default_factory=ScriptedInquirer)
    tree: Tree = TREE
    phrases: Phrases = field(default_factory=lambda: PHRASES)
    times: UssdTimes = field(default_factory=UssdTimes)
    turned: list[Turned] = field(default_factory=list)
    session_id: str = "s1"
    code: str = "*4*1420#"
    versions: Versions[Version] | None = None
    preferences: Preferences | None = None

    def __post_init__(self) -> None:
        self.gateway = UssdConversations(
            self.versions or OneVersion(Version(self.tree, self.phrases)),
            self.inquirer,
            SessionStore(self.commands),
            HASHES,
            times=self.times,
            preferences=self.preferences,
            turned=self.turned.append,
        )

    async def send(self, text: str) -> UssdReply:
        """One request, with everything typed so far."""
        request = UssdRequest("operator", self.session_id, NUMBER, self.code, text)
        return await self.gateway.turn(request)

    async def type(self, *inputs: str) -> UssdReply:
        """Dial, then type one answer after another while an answer is awaited."""
        text = ""
        reply = await self.send(text)
        for given_ in inputs:
            if not reply.more:
                break
            text = f"{text}*{given_}" if text else given_
            reply = await self.send(text)
        return reply


def on(server: RunningRedis, play: Callable[[Redis], Awaitable[None]]) -> None:
    """Play on an emptied Redis."""

    async def run() -> None:
        redis = await open_redis(server.address, name="test", timeout=5.0)
        try:
            await redis.send("FLUSHALL")
            await play(redis)
        finally:
            await redis.close()

    asyncio.run(run())
