import asyncio
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialogue.check import load_dialogue
from dialogue.version import OneVersion
from eligibility.answer import Answer, Asker, OverBudget
from eligibility.ledger import Kept
from eligibility.verdict import CANNOT_CHECK, INVALID_ID, Outcome, Source, Verdict
from ivr.call import Calls, CallTimes
from ivr.errors import Hangup, LineStuck
from ivr.line import Line, LineTimes
from ivr.prompts import value_words
from ivr.version import SpokenVersion
from ivr.voices import load_voices
from state.keyed_hash import KeyedHash
from telecom.channel import Channel
from tests.agi_peer import AgiPeer

ID, FOREIGN = "0012345679", "123456789012"
CODE = "48305172606"
AS_OF = datetime(2026, 11, 21, tzinfo=UTC)
UNTIL = date(2027, 3, 20)
TREE, PHRASES = load_dialogue()
VOICES = load_voices()
VERSIONS = OneVersion(SpokenVersion(TREE, PHRASES, VOICES))
HASHES = KeyedHash(b"k" * 32)


def verdict(outcome: Outcome, *, stale: bool = False) -> Verdict:
    """A verdict with the date that goes with it."""
    return Verdict(
        outcome,
        as_of=AS_OF,
        source=Source.CACHE,
        stale=stale,
        valid_until=UNTIL if outcome is Outcome.COVERED else None,
        not_covered_since=UNTIL if outcome is Outcome.NOT_COVERED else None,
    )


@dataclass
class Registry:
    """Gives one answer for whatever has ten or twelve digits."""

    answer: Answer | OverBudget = field(
        default_factory=lambda: Answer(verdict(Outcome.COVERED), CODE)
    )
    asked: list[str] = field(default_factory=list)
    askers: list[Asker] = field(default_factory=list)
    stuck: bool = False

    async def inquire(
        self, national_id: str, asker: Asker, channel: Channel, *, retry_key: str | None = None
    ) -> Answer | OverBudget:
        """As eligibility/inquiry.py."""
        assert channel is Channel.VOICE
        self.asked.append(national_id)
        self.askers.append(asker)
        if self.stuck:
            await asyncio.get_running_loop().create_future()
        if len(national_id) not in (10, 12):
            return Answer(INVALID_ID, None, wrong="short")
        return self.answer

    async def follow_up(self, code: str) -> Kept | None:
        """Nothing is known of any code."""
        return None


def call(peer: AgiPeer, registry: Registry, caller: str = "09121234567", pres: str = "0") -> None:
    """One whole call. Raises what the call raises."""

    async def main() -> None:
        line = Line(peer.write, LineTimes(hangup=0.0))
        peer.tell = line.receive_bytes
        peer.begin(caller, pres)
        calls = Calls(VERSIONS, registry, HASHES, entry="*4*1420")
        await calls.take(line, await line.began())

    asyncio.run(main())


def said(*names: str) -> list[str]:
    """Persian recordings as prompts."""
    return [f"dargah/fa/{name}" for name in names]


def test_an_inquiry() -> None:
    """A caller chooses, types an ID, hears date and code, hears them again on 1, and goodbye."""
    peer, registry = AgiPeer(["1", ID + "#", "1", "2"]), Registry()
    call(peer, registry)
    assert registry.asked == [ID]
    whole = said(
        "covered_until-1",
        *value_words("fa", UNTIL),
        "covered_until-3",
        "tracking_code-1",
        *value_words("fa", CODE),
    )
    assert peer.heard[-2 * len(whole) - 3 :] == [
        *whole,
        *said("call/repeat"),
        *whole,
        *said("call/repeat", "call/goodbye"),
    ]
    assert peer.variables["DARGAH_RESULT"] == "DONE"


@pytest.mark.parametrize(
    ("keys", "asked"),
    [
        ([ID + "#"], ID),
        ([ID], ID),
        ([FOREIGN], FOREIGN),
        ([FOREIGN + "#"], FOREIGN),
        ([ID + "5#"], ID + "5"),
        (["123#"], "123"),
        (["12*4"], "12*4"),
    ],
)
def test_ten_or_twelve_digits(keys: list[str], asked: str) -> None:
    """Ten digits and twelve are both taken whole, with # or without; others as typed."""
    registry = Registry()
    call(AgiPeer(["1", *keys]), registry)
    assert registry.asked[0] == asked


@pytest.mark.parametrize("stale", [False, True])
@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.INVALID_ID])
def test_every_outcome_is_spoken(outcome: Outcome, stale: bool) -> None:
    """Each outcome has its own sentence and its code; what is old says of which day it is."""
    given_verdict = CANNOT_CHECK if outcome is Outcome.CANNOT_CHECK else verdict(outcome)
    if stale and outcome is not Outcome.CANNOT_CHECK:
        given_verdict = verdict(outcome, stale=True)
    peer = AgiPeer(["1", ID])
    call(peer, Registry(Answer(given_verdict, CODE)))
    spoken = " ".join(peer.heard)
    sentence = {
        Outcome.COVERED: "covered_until",
        Outcome.NOT_COVERED: "not_covered_since",
        Outcome.PENDING_PAYMENT: "pending",
        Outcome.NOT_FOUND: "not_found",
        Outcome.CANNOT_CHECK: "cannot_check",
    }[outcome]
    old = "_as_of" if given_verdict.stale else ""
    assert f"/{sentence}{old}" in spoken
    assert ("_as_of" in spoken) is bool(old)
    assert " ".join(said(*value_words("fa", CODE))) in spoken
    assert peer.heard[-1] == "dargah/fa/call/goodbye"


def test_over_budget() -> None:
    """Who asks too much hears when to call again, and no code."""
    peer = AgiPeer(["1", ID])
    call(peer, Registry(OverBudget(600)))
    assert said("over_budget-1", "number/10", "over_budget-3", "call/goodbye") == peer.heard[-4:]


def test_english() -> None:
    """On 9 the rest of the call is in English."""
    peer = AgiPeer(["9", "1", ID])
    call(peer, Registry())
    after = peer.heard[peer.heard.index("dargah/en/ask_id") :]
    assert all(name.startswith("dargah/en/") for name in after)
    assert "dargah/en/month/12" in after


def test_silence_ends_with_a_person() -> None:
    """A caller who types nothing right is asked again, and then given to an operator."""
    peer, registry = AgiPeer([]), Registry()
    call(peer, registry)
    assert peer.heard[-1] == "dargah/fa/helpline"
    assert peer.variables["DARGAH_RESULT"] == "OPERATOR"
    assert registry.asked == []


def test_an_operator_is_one_key_away() -> None:
    """On 0 the caller is given to an operator, without a question."""
    peer, registry = AgiPeer(["0"]), Registry()
    call(peer, registry)
    assert peer.heard[-1] == "dargah/fa/operator"
    assert peer.variables["DARGAH_RESULT"] == "OPERATOR"
    assert registry.asked == []


def test_the_guide_is_spoken() -> None:
    """A caller hears the topics by their keys, and a topic in full."""
    peer = AgiPeer(["3", "1", "4"])
    call(peer, Registry())
    said_topics = [name for name in peer.heard if name.startswith("dargah/fa/guide/")]
    assert said_topics[-1] == "dargah/fa/guide/sickness_pay"
    assert "dargah/fa/guide/premium_list-title" in said_topics
    assert peer.variables["DARGAH_RESULT"] == "DONE"


def test_a_code_is_followed_up() -> None:
    """A caller types a code and is told what is known of it, here nothing."""
    peer, registry = AgiPeer(["2", CODE + "#"]), Registry()
    call(peer, registry)
    assert peer.heard[-2:] == said("code_unknown", "call/goodbye")
    assert registry.asked == []


def test_silence_is_no_mistake() -> None:
    """Who types nothing after a wrong ID hears the question again, in its own words."""
    peer, registry = AgiPeer(["1", "123#", "", ID]), Registry()
    call(peer, registry)
    assert registry.asked == ["123", ID]
    asked = [name for name in peer.heard if "ask_id" in name or "wrong_id" in name]
    assert asked == said("ask_id", "wrong_id_short", "ask_id")
    assert "dargah/fa/wrong_option" not in peer.heard


def test_no_id_stays_in_the_channel() -> None:
    """The digits that Asterisk collected for us are wiped from the channel's variables."""
    peer = AgiPeer(["1", "123#", ID])
    call(peer, Registry())
    assert peer.variables.get("DARGAH_DIGITS", "") == ""
    assert not any(ID in line for line in peer.commands)


@pytest.mark.parametrize(
    "missing",
    [
        "main_title",
        "choice/option_treatment-3",
        "ask_id",
        "covered_until-3",
        "digit/4",
        "call/repeat",
    ],
)
def test_a_missing_prompt(missing: str) -> None:
    """Where a prompt is missing the dialplan is told, or the rest is said all the same: never
    half a verdict with a goodbye."""
    peer = AgiPeer(["1", ID], missing=frozenset(said(missing)))
    call(peer, Registry())
    goodbye = peer.heard[-1] == "dargah/fa/call/goodbye"
    assert goodbye is (peer.variables["DARGAH_RESULT"] == "DONE")
    if missing in ("ask_id", "covered_until-3", "digit/4", "call/repeat"):
        assert peer.variables["DARGAH_RESULT"] == "FAILED"


def test_hangup_at_every_step() -> None:
    """Whenever the caller hangs up, the call ends there and nothing more is sent."""
    whole = AgiPeer(["1", ID, "1"])
    call(whole, Registry())
    for step in range(len(whole.commands)):
        peer = AgiPeer(["1", ID, "1"], hangs_up_at=step)
        with pytest.raises(Hangup):
            call(peer, Registry())
        assert len(peer.commands) == step + 1


def test_the_registry_hangs() -> None:
    """A look-up that never ends is given up in time, with a true sentence."""

    async def main() -> None:
        line = Line(peer.write)
        peer.tell = line.receive_bytes
        peer.begin()
        times = CallTimes(turn=0.01)
        registry = Registry(stuck=True)
        calls = Calls(VERSIONS, registry, HASHES, entry="*4*1420", times=times)
        await calls.take(line, await line.began())

    peer = AgiPeer(["1", ID])
    asyncio.run(main())
    assert peer.heard[-2:] == said("busy", "call/goodbye")


def test_asterisk_falls_silent() -> None:
    """If Asterisk never answers a command, the call is given up."""

    async def main() -> None:
        line = Line(lambda data: None, LineTimes(reply=0.01))
        line.receive_bytes(b"agi_request: x\n\n")
        await line.began()
        with pytest.raises(LineStuck):
            await line.answer()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("caller", "pres", "known"),
    [
        ("09121234567", "0", True),
        ("+989121234567", "3", True),
        ("09121234567", "32", False),
        ("09121234567", "67", False),
        ("09121234567", "2", False),
        ("unknown", "0", False),
        ("09121234567", "x", False),
    ],
)
def test_who_asks(caller: str, pres: str, known: bool) -> None:
    """A caller is known by a number that the network vouches for; withheld is not known."""
    registry = Registry()
    call(AgiPeer(["1", ID]), registry, caller, pres)
    (asker,) = registry.askers
    assert asker.known is known
    assert (asker.token == HASHES.of("asker", "989121234567")) is known


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet="0123456789*#", max_size=14), max_size=12))
def test_any_keys(keys: list[str]) -> None:
    """Whatever a caller types, the call comes to an end and the dialplan is told how."""
    peer = AgiPeer(list(keys))
    call(peer, Registry())
    assert peer.variables["DARGAH_RESULT"] in ("DONE", "OPERATOR")
