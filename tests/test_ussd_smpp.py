"""USSD over SMPP: from a deliver_sm to a submit_sm, over a real Redis."""

import pytest

from smpp.errors import Busy, NotBound
from smpp.events import Answered, Unanswered
from smpp.link import Outcome
from smpp.pdu import Status, Tag
from smpp.ussd_tlv import Screen, read_screen
from state.link import Redis
from tests.redis_server import RunningRedis
from tests.scripted_inquirer import COVERED
from tests.ussd_line import ANSWER, FA, MENU, Line
from tests.ussd_network import (
    ABORT,
    BEGIN,
    CODE,
    GO_ON,
    HANDSET,
    Network,
    SlowInquirer,
    play_on,
)
from ussd.turning import Turned


def test_a_dialogue(server: RunningRedis) -> None:
    """Menu, question, verdict: each acknowledged first, the last one closing the dialogue."""

    async def play(network: Network) -> None:
        for unit, (op, text, shown, last) in enumerate(
            [
                (BEGIN, "*4*1420#", MENU, False),
                (GO_ON, "1", FA["ask_id"], False),
                (GO_ON, COVERED, ANSWER, True),
            ]
        ):
            assert await network.screen(op, text, unit) == Screen(shown, last, "2a")
        assert network.acknowledged == [0, 1, 2]
        assert {message.tlv(Tag.USSD_SERVICE_OP) for message in network.shown} == {b"\x02", b"\x11"}
        assert {(message.source, message.destination) for message in network.shown} == {
            (CODE, HANDSET)
        }

    play_on(server, play)


def test_a_gateway_that_wants_the_answer_first(server: RunningRedis) -> None:
    """Where it is set so, a unit is acknowledged only when its answer is ready."""
    inquirers: list[SlowInquirer] = []

    def line(redis: Redis) -> Line:
        inquirers.append(SlowInquirer())
        return Line(redis, inquirers[0])

    async def play(network: Network) -> None:
        network.sends(BEGIN, f"*4*1420*1*{COVERED}#")
        await inquirers[0].began.wait()
        assert network.acknowledged == []
        inquirers[0].may.set()
        await network.settle()
        assert network.acknowledged == [0]
        assert len(network.shown) == 1

    play_on(server, play, line=line, at_once=False)


def test_an_abort_during_a_look_up(server: RunningRedis) -> None:
    """Nothing is sent, and nothing kept, once the network has ended the dialogue."""
    inquirers: list[SlowInquirer] = []

    def line(redis: Redis) -> Line:
        inquirers.append(SlowInquirer())
        return Line(redis, inquirers[0])

    async def play(network: Network) -> None:
        network.sends(BEGIN, f"*4*1420*1*{COVERED}#")
        await inquirers[0].began.wait()
        network.sends(ABORT)
        inquirers[0].may.set()
        await network.settle()
        assert network.shown == []
        assert len(network.acknowledged) == 2
        assert (await network.screen(GO_ON, "1")).text == FA["expired"]
        assert network.line.turned == [Turned.ABORTED, Turned.EXPIRED]

    play_on(server, play, line=line)


def test_one_unit_twice(server: RunningRedis) -> None:
    """A unit that comes again while its answer is on its way makes no second answer."""

    async def play(network: Network) -> None:
        for _ in range(3):
            network.sends(BEGIN, "*4*1420#")
        await network.settle()
        assert len(network.shown) == 1
        assert len(network.acknowledged) == 3
        assert network.odd == ["joined", "joined"]
        # And when it has gone out, the same answer goes out again.
        assert (await network.screen(BEGIN, "*4*1420#")).text == MENU
        assert network.line.turned == [Turned.CONTINUED, Turned.REPEATED]

    play_on(server, play)


def test_who_dials_again_reads_the_new_dialogue_alone(server: RunningRedis) -> None:
    """A new dialogue from a handset silences what was still being looked up for the old one."""
    inquirers: list[SlowInquirer] = []

    def line(redis: Redis) -> Line:
        inquirers.append(SlowInquirer())
        return Line(redis, inquirers[0])

    async def play(network: Network) -> None:
        network.sends(BEGIN, f"*4*1420*1*{COVERED}#", session=1)
        await inquirers[0].began.wait()
        network.sends(BEGIN, "*4*1420#", session=2)
        inquirers[0].may.set()
        await network.settle()
        assert [read_screen(message).text for message in network.shown] == [MENU]

    play_on(server, play, line=line)


def test_a_refused_screen_ends_the_dialogue(server: RunningRedis) -> None:
    """A screen that the network refuses is not sent again, and its dialogue is over."""

    async def play(network: Network) -> None:
        network.outcome = Answered(1, Status.THROTTLED, "", 0.0)
        await network.screen(BEGIN, "*4*1420#")
        assert len(network.shown) == 1
        network.outcome = Answered(1, 0, "", 0.0)
        assert (await network.screen(GO_ON, "1")).text == FA["expired"]
        assert network.line.turned == [Turned.CONTINUED, Turned.REFUSED, Turned.EXPIRED]

    play_on(server, play)


@pytest.mark.parametrize(
    "outcome",
    [Unanswered(1, "lost", sent=True), NotBound("no link"), Busy("full")],
    ids=["lost", "not bound", "busy"],
)
def test_an_unknown_fate_leaves_the_dialogue(
    server: RunningRedis, outcome: Outcome | Exception
) -> None:
    """Where nobody knows whether a screen was shown, the person may go on with the dialogue."""

    async def play(network: Network) -> None:
        network.outcome = outcome
        network.sends(BEGIN, "*4*1420#")
        await network.settle()
        network.outcome = Answered(1, 0, "", 0.0)
        assert (await network.screen(GO_ON, "1", unit=2)).text == FA["ask_id"]

    play_on(server, play)
