"""Which answers are told another way: those whose screen was not shown over SMPP."""

import pytest

from smpp.errors import Busy, LocalProtocolError, NotBound
from smpp.events import Answered, Unanswered
from smpp.link import Outcome
from smpp.pdu import Status
from state.link import Redis
from tests.redis_server import RunningRedis
from tests.scripted_inquirer import CODE, COVERED, OVER
from tests.ussd_line import NUMBER, Line
from tests.ussd_network import ABORT, BEGIN, GO_ON, Network, SlowInquirer, play_on

SHOWN = Answered(1, 0, "id", 0.0)
NOT_SHOWN: list[Outcome | Exception] = [
    Answered(1, Status.THROTTLED, "", 0.0),
    Answered(1, Status.SUBMIT_FAILED, "", 0.0),
    Unanswered(1, "queue", sent=False),
    Unanswered(1, "timeout", sent=True),
    Unanswered(1, "lost", sent=True),
    NotBound("no link"),
    Busy("full"),
    LocalProtocolError("too long"),
]


@pytest.mark.parametrize("outcome", NOT_SHOWN, ids=repr)
def test_an_answer_that_was_not_shown(server: RunningRedis, outcome: Outcome | Exception) -> None:
    """Refused, late, lost or never sent: the answer is handed on once, and to the asker alone."""

    async def play(network: Network) -> None:
        await network.screen(BEGIN, "*4*1420#")
        await network.screen(GO_ON, "1", unit=2)
        network.outcome = outcome
        network.sends(GO_ON, COVERED, unit=4)
        await network.settle()
        ((msisdn, told),) = network.untold
        assert msisdn == NUMBER
        assert (told.answer.tracking_code, told.language) == (CODE, "fa")
        assert CODE not in repr(told)

    play_on(server, play)


def test_an_answer_that_was_shown(server: RunningRedis) -> None:
    """What was shown is not told twice, nor what is shown again to a network that repeats."""

    async def play(network: Network) -> None:
        for unit in (0, 0):
            await network.screen(BEGIN, f"*4*1420*1*{COVERED}#", unit)
        assert network.untold == []

    play_on(server, play)


@pytest.mark.parametrize("dialled", ["*4*1420#", "*4*1420*1#", f"*4*1420*1*{OVER}#", "*99#"])
def test_only_answers_with_a_code(server: RunningRedis, dialled: str) -> None:
    """No menu, no question and no refusal is sent after the person."""

    async def play(network: Network) -> None:
        network.outcome = Answered(1, Status.SUBMIT_FAILED, "", 0.0)
        network.sends(BEGIN, dialled)
        await network.settle()
        assert len(network.shown) == 1
        assert network.untold == []

    play_on(server, play)


@pytest.mark.parametrize("op", [ABORT, BEGIN])
def test_a_dialogue_that_ended_before_its_answer(server: RunningRedis, op: int) -> None:
    """Where an abort or a new dial ended the dialogue during the look-up, the answer follows."""
    inquirers: list[SlowInquirer] = []

    def line(redis: Redis) -> Line:
        inquirers.append(SlowInquirer())
        return Line(redis, inquirers[-1])

    async def play(network: Network) -> None:
        (inquirer,) = inquirers
        network.sends(BEGIN, f"*4*1420*1*{COVERED}#")
        await inquirer.began.wait()
        network.sends(op, "*4*1420#", session=0x2A if op == ABORT else 0x2B)
        inquirer.may.set()
        await network.settle()
        ((_, told),) = network.untold
        assert told.answer.tracking_code == CODE
        assert len(network.shown) == (op == BEGIN)

    play_on(server, play, line=line)
