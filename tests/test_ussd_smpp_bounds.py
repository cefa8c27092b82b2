"""USSD over SMPP where something is out of place: no room, no number, any message at all."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smpp.dialect import Dialect, Kind, SessionSource, TextEncoding
from smpp.pdu import Address, ShortMessage
from smpp.ussd_tlv import Screen, read_screen, write_unit
from state.link import Redis
from telecom.msisdn import Msisdn, NotAnMsisdn
from tests.redis_server import RunningRedis
from tests.scripted_inquirer import CODE as CODE_TOLD
from tests.scripted_inquirer import COVERED, NOT_COVERED, ScriptedInquirer
from tests.smpp_pdus import messages
from tests.ussd_line import FA, Line, on
from tests.ussd_network import (
    ABORT,
    BEGIN,
    CODE,
    GO_ON,
    Network,
    SlowInquirer,
    play_on,
)
from ussd.smpp import subscriber


def test_no_room(server: RunningRedis) -> None:
    """Beyond the bound a person is told at once to dial again; so is everybody at the end."""
    inquirers: list[SlowInquirer] = []

    def line(redis: Redis) -> Line:
        inquirers.append(SlowInquirer())
        return Line(redis, inquirers[0])

    async def play(network: Network) -> None:
        network.sends(BEGIN, f"*4*1420*1*{COVERED}#")
        other = write_unit(
            BEGIN,
            "*4*1420#",
            subscriber=Address("989121234568", 1, 1),
            service_code=CODE,
            session_info=b"\1\0",
        )
        network.receives(other)
        assert [read_screen(message) for message in network.shown] == [
            Screen(FA["busy"], True, "01")
        ]
        inquirers[0].may.set()
        await network.settle()
        network.edge.close()
        network.receives(other)
        assert read_screen(network.shown[-1]).text == FA["busy"]
        assert network.odd == ["too_many", "too_many"]

    play_on(server, play, line=line, most=1)


def test_a_fault_of_ours_is_told_as_one(server: RunningRedis) -> None:
    """Whatever breaks behind a turn, the person is told to dial again, and never a verdict."""

    class Broken(ScriptedInquirer):
        async def inquire(self, *args: Any, **more: Any) -> Any:
            raise RuntimeError(COVERED)

    async def play(network: Network) -> None:
        screen = await network.screen(BEGIN, f"*4*1420*1*{COVERED}#")
        assert screen == Screen(FA["busy"], True, "2a")

    play_on(server, play, line=lambda redis: Line(redis, Broken()))


def test_a_withheld_number(server: RunningRedis) -> None:
    """Without a number there is no session: that is told, and an abort of it is let pass."""

    async def play(network: Network) -> None:
        for op in (BEGIN, ABORT):
            network.receives(
                write_unit(
                    op,
                    "*4*1420#",
                    subscriber=Address("anonymous", 5, 0),
                    service_code=CODE,
                    session_info=b"\1\0",
                )
            )
        assert [read_screen(message).text for message in network.shown] == [FA["unavailable"]]
        assert len(network.acknowledged) == 2

    play_on(server, play)


@pytest.mark.parametrize(
    "dialect",
    [
        Dialect(text_encoding=TextEncoding.UCS2),
        Dialect(text_encoding=TextEncoding.UCS2, max_octets=120),
        Dialect(),
    ],
    ids=["ucs2 alone", "120 octets", "the specification"],
)
def test_a_smaller_screen(server: RunningRedis, dialect: Dialect) -> None:
    """Where a gateway shows less, a text has more pages, and none of it is lost."""

    async def play(network: Network) -> None:
        screen = await network.screen(BEGIN, "*4*1420*9*1#")
        assert screen.text is not None
        assert screen.text.startswith("Social Security 1420")
        screen = await network.screen(GO_ON, "1", 2)
        screen = await network.screen(GO_ON, NOT_COVERED, 4)
        read = [screen.text or ""]
        unit = 6
        while not screen.last:
            screen = await network.screen(GO_ON, "0", unit)
            read.append(screen.text or "")
            unit += 2
        assert (len(read) > 1) is (dialect != Dialect())
        assert "not been in force since" in "".join(read).replace("\n", " ")
        assert CODE_TOLD in read[-1]
        assert "too_long" not in network.odd

    play_on(server, play, dialect=dialect)


def test_a_screen_too_small(server: RunningRedis) -> None:
    """A gateway whose screens have no room for the key lines is refused at the start."""

    async def run(redis: Redis) -> None:
        with pytest.raises(ValueError, match="no room"):
            Network(Line(redis), Dialect(max_octets=60))

    on(server, run)


@pytest.mark.parametrize(
    ("digits", "ton", "msisdn"),
    [
        ("989121234567", 1, "989121234567"),
        ("+989121234567", 1, "989121234567"),
        ("09121234567", 1, "989121234567"),
        ("9121234567", 2, "989121234567"),
        ("09121234567", 0, "989121234567"),
        ("442079460018", 1, "442079460018"),
        ("442079460018", 0, None),
        ("1420", 3, None),
        ("", 0, None),
    ],
)
def test_whose_handset_it_is(digits: str, ton: int, msisdn: str | None) -> None:
    """A number is read with its TON: international ones come without a plus."""
    if msisdn is None:
        with pytest.raises(NotAnMsisdn):
            subscriber(Address(digits, ton, 1))
    else:
        assert subscriber(Address(digits, ton, 1)) == Msisdn(msisdn)


dialects = st.builds(
    Dialect,
    session_source=st.sampled_from([s for s in SessionSource if s is not SessionSource.VENDOR]),
    unknown_op=st.sampled_from(Kind),
    packed_7bit=st.booleans(),
    max_octets=st.integers(100, 160),
)
sources = st.sampled_from(["989121234567", "09121234567", "+442079460018"])
units = st.builds(
    lambda message, source, op, ours: (
        write_unit(
            op,
            "*4*1420#" if op == BEGIN else "1",
            subscriber=Address(source, 1, 1),
            service_code=message.destination,
            session_info=message.short_message[:2],
        )
        if ours
        else message
    ),
    messages(),
    sources,
    st.sampled_from([BEGIN, GO_ON, ABORT, 0x00, 0x13]),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(units, max_size=12), dialects)
def test_any_messages(server: RunningRedis, sent: list[ShortMessage], dialect: Dialect) -> None:
    """Whatever a network sends, each message is acknowledged once and answered once at most."""

    async def play(network: Network) -> None:
        for message in sent:
            network.receives(message)
        await network.settle()
        assert len(network.acknowledged) == len(sent)
        assert len(network.shown) <= len(sent)
        allowed = {message.source for message in sent}
        assert "too_long" not in network.odd
        assert all(message.destination in allowed for message in network.shown)

    play_on(server, play, dialect=dialect)
