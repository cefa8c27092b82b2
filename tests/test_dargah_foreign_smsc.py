"""A whole gateway, as an operator starts it, on SMSCs that are not ours: SMS and USSD."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from eligibility.tracking_code import is_code
from persian.digits import to_persian_digits
from tests.gateway_process import ANY_PORTS, GatewayProcess, running_gateway
from tests.smpp_gateway import until
from tests.smpp_peers import Peer, node_smsc, running, twisted_smsc
from tests.ussd_line import FA, MENU

COVERED, GONE = "0012345679", "1234567891"
PEOPLE = f"""national_id,status,valid_until,kind,branch,updated_at
{COVERED},active,2090-03-20,main,7,2026-01-01T00:00:00+03:30
{GONE},inactive,2020-03-20,main,7,2026-01-01T00:00:00+03:30
"""
UNTIL = "اعتبار درمان تا ۱۴۶۹/۰۱/۰۱ برقرار است."
ENDED = "اعتبار درمان از ۱۳۹۹/۰۱/۰۲ برقرار نیست."
SETTINGS = """
[[smpp]]
name = "foreign"
operator = "foreign"
host = "127.0.0.1"
port = {port}
system_id = "dargah"
password = "env:SMPP_PASSWORD"
"""
ALI, SARA = "989121234567", "989351112233"


@contextmanager
def serving(port: int, folder: Path) -> Iterator[GatewayProcess]:
    """`dargah serve` with one bind to this port, and two people loaded."""
    csv = folder / "people.csv"
    csv.write_text(PEOPLE)
    settings = ANY_PORTS + SETTINGS.format(port=port)
    password = {"SMPP_PASSWORD": "secret"}
    with running_gateway("serve", settings=settings, more_environment=password) as gateway:
        loaded = gateway.run("load", str(csv))
        assert loaded.returncode == 0, loaded.stderr
        yield gateway


def ready(gateway: GatewayProcess) -> bool:
    """Whether it knows the people and its bind holds."""
    place = urlsplit(gateway.http)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=20)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        components = json.loads(answer.read())["components"]
        return answer.status == 200 and components["smpp foreign"] == "ok"
    finally:
        connection.close()


def known(gateway: GatewayProcess, text: str, channel: str, outcome: str, number: str) -> str:
    """The code in a text: its check digit holds, and the asker learns by it what was told."""
    (code,) = re.findall(r"(?<!\d)\d{11}(?!\d)", text)
    assert is_code(code)
    told = gateway.run("inquiry", code, "--msisdn", number).stdout
    assert re.search(rf"^channel +{channel}$", told, re.MULTILINE), told
    assert re.search(rf"^outcome +{outcome}$", told, re.MULTILINE), told
    return str(code)


def sms(text: str, number: str) -> dict[str, object]:
    """A person's message, as node-smpp is told of it."""
    address = {"source_addr": number, "source_addr_ton": 1, "source_addr_npi": 1}
    return {**address, "destination_addr": "10001420", "dest_addr_ton": 3, "sm": text}


async def replied(peer: Peer, number: str) -> str:
    """The text that goes out to this number next."""
    seen = await peer.saw("submit")
    assert (seen["source"], seen["destination"]) == ("10001420", number)
    return str(seen["sm"] if "sm" in seen else bytes.fromhex(seen["hex"]).decode("utf-16-be"))


def test_sms_through_node_smpp(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """A Persian text with an ID gets the verdict and a code; and gets the very same reply when
    the link was cut before the SMSC had taken it."""
    argv = node_smsc(pytestconfig)

    async def scenario() -> None:
        async with running(argv) as peer:
            with serving(peer.port, tmp_path) as gateway:
                await until(lambda: ready(gateway))
                asked = f"کد ملی {to_persian_digits(COVERED)}"
                await peer.order("deliver", pdu=sms(asked, ALI))
                assert (await peer.saw("deliver_resp"))["status"] == 0
                text = await replied(peer, ALI)
                assert text.startswith(UNTIL)
                known(gateway, text, "sms", "COVERED", ALI)

                await peer.order("mute", count=1)
                await peer.order("deliver", pdu=sms(GONE, SARA))
                lost = await replied(peer, SARA)
                await peer.order("drop")
                await peer.saw("bind")
                text = await replied(peer, SARA)
                assert text == lost
                assert text.startswith(ENDED)
                known(gateway, text, "sms", "NOT_COVERED", SARA)
                await peer.order("deliver", pdu=sms(COVERED, SARA))
                assert (await replied(peer, SARA)).startswith(UNTIL)

    asyncio.run(scenario())


def test_ussd_through_node_smpp(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """A dialogue by ussd_service_op goes on where it was after its link was cut in the middle."""
    argv = node_smsc(pytestconfig)

    async def scenario() -> None:
        async with running(argv) as peer:

            async def shown(op: int, text: str, info: str) -> tuple[str, int, str]:
                marks = {"service_type": "USSD", "ussd_service_op": op, "its_session_info": info}
                pdu = {**sms(text, ALI), "destination_addr": "1420", **marks}
                await peer.order("deliver", pdu=pdu)
                seen = await peer.saw("submit")
                assert (seen["source"], seen["destination"]) == ("1420", ALI)
                assert seen["service_type"] == "USSD"
                return seen["sm"], seen["op"], seen["its"]

            with serving(peer.port, tmp_path) as gateway:
                await until(lambda: ready(gateway))
                assert await shown(0x01, "*4*1420#", "2a00") == (MENU, 0x02, "2a02")
                assert await shown(0x12, "۱", "2a04") == (FA["ask_id"], 0x02, "2a06")
                await peer.order("drop")
                await peer.saw("bind")
                await until(lambda: ready(gateway))
                text, op, session = await shown(0x12, to_persian_digits(COVERED), "2a08")
                assert (op, session) == (0x11, "2a0b")
                assert text.startswith(UNTIL)
                known(gateway, text, "ussd", "COVERED", ALI)

    asyncio.run(scenario())


def test_sms_through_smpp_twisted3(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """A second library's SMSC gets the same replies, before and after a cut of its link."""
    argv = twisted_smsc(pytestconfig)

    async def scenario() -> None:
        async with running(argv) as peer:
            with serving(peer.port, tmp_path) as gateway:
                await until(lambda: ready(gateway))
                for number, person, told, outcome in (
                    (ALI, COVERED, UNTIL, "COVERED"),
                    (SARA, GONE, ENDED, "NOT_COVERED"),
                ):
                    octets = f"کد ملی {to_persian_digits(person)}".encode("utf-16-be").hex()
                    order = {"source": number, "destination": "10001420", "hex": octets}
                    await peer.order("deliver", **order)
                    text = await replied(peer, number)
                    assert text.startswith(told)
                    known(gateway, text, "sms", outcome, number)
                    if number == ALI:
                        await peer.order("drop")
                        await peer.saw("bind")
                        # Only bound: what comes before that, the library sends nobody.
                        await until(lambda: ready(gateway))

    asyncio.run(scenario())
