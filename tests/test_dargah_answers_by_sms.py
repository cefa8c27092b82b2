"""A gateway and an operator in processes of their own: cut-off dialogues, and answers by SMS."""

import re
import socket
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

import pytest

from carrier.errors import CarrierError
from tests.gateway_process import GatewayProcess, dargah, running_gateway
from tests.operator_box import ENVIRONMENT, OperatorBox, bound, operator_box, samples, until
from tests.redis_server import RunningRedis, running_redis
from tests.ussd_line import FA, MENU

NUMBER = "989121234567"
ID = "0012345679"
WHOLE = f"*4*1420*1*{ID}#"
REDIS = '[redis]\nstate_url = "env:STATE_URL"\ntimeout = 10.0\n[ussd]\nanswers_by_sms = "a"\n'
OUT = 'dargah_sms_out_total{operator="a",what="%s"}'
OFFER = f"{FA['resume_title']}\n{FA['option_treatment']}\n1 ادامه\n2 از نو"


@pytest.fixture(scope="module", name="redis")
def _redis() -> Iterator[RunningRedis]:
    with running_redis() as redis:
        yield redis


@pytest.fixture(scope="module", name="box")
def _box() -> Iterator[OperatorBox]:
    with operator_box() as box:
        yield box


@pytest.fixture(scope="module", name="gateway")
def _gateway(box: OperatorBox, redis: RunningRedis) -> Iterator[GatewayProcess]:
    environment = {**ENVIRONMENT, "STATE_URL": f"unix://{redis.address.path}"}
    settings = box.settings(more=REDIS) + "answers_by_sms = true\n"
    with running_gateway(settings=settings, more_environment=environment) as gateway:
        bound(gateway)
        yield gateway


def code_in(text: str) -> str:
    """The tracking code in a text."""
    (code,) = re.findall(r"\d{11}", text)
    return str(code)


def test_a_refused_answer_follows_by_sms(box: OperatorBox, gateway: GatewayProcess) -> None:
    """The network refuses the screen with the answer; the phone gets it by SMS, and once."""
    with box.remote() as carrier:
        for _ in range(2):
            carrier.switch(refuse_screens=1)
            with pytest.raises(CarrierError, match="refused the gateway's screen"):
                carrier.phone(NUMBER).dial(WHOLE)
        code = code_in(carrier.message(NUMBER))
        # The same question again has the same answer, under the same code, on the screen.
        assert code_in(carrier.phone(NUMBER).dial(WHOLE).text) == code
        until(lambda: samples(gateway).get(OUT % "submitted") == 1)
        assert samples(gateway)[OUT % "unasked"] == 1
    assert ID not in gateway.output.read_text(encoding="utf-8")


def test_a_refused_menu_does_not(box: OperatorBox, gateway: GatewayProcess) -> None:
    """A menu that could not be shown is sent after nobody."""
    before = samples(gateway).get(OUT % "unasked", 0)
    with box.remote() as carrier:
        carrier.switch(refuse_screens=1)
        with pytest.raises(CarrierError):
            carrier.phone("989121234568").dial("*4*1420#")
        assert carrier.phone("989121234568").dial("*4*1420#").text == MENU
    assert samples(gateway).get(OUT % "unasked", 0) == before


def test_a_lost_dialogue_is_offered_again(box: OperatorBox, gateway: GatewayProcess) -> None:
    """The phone loses coverage at the question; it dials again, by another way, and goes on."""
    number = "989121234569"
    with box.remote() as carrier:
        phone = carrier.phone(number)
        assert phone.dial("*4*1420#").text == MENU
        aborted = 'dargah_ussd_turns_total{result="aborted"}'
        before = samples(gateway).get(aborted, 0)
        carrier.switch(lose_dialogues=1)
        assert phone.reply("1").text == FA["ask_id"]
        until(lambda: samples(gateway).get(aborted, 0) == before + 1)
        with pytest.raises(CarrierError, match="no screen is open"):
            phone.reply(ID)
        assert phone.dial("*4*1420#").text == OFFER
        assert phone.reply("1").text == FA["ask_id"]
        dialled = gateway.run("dial", "*4*1420#", "--msisdn", f"+{number}", "--hang-up-after", "1")
        assert OFFER.split("\n")[0] in dialled.stdout
        assert dialled.stdout.count("┌") == 1
        assert not phone.reply(ID).more
        assert phone.dial("*4*1420#").text == MENU
    counted = samples(gateway)
    assert counted['dargah_ussd_turns_total{result="offered"}'] == 2
    assert counted['dargah_ussd_turns_total{result="resumed"}'] == 1


def test_the_handset_in_the_terminal(box: OperatorBox, gateway: GatewayProcess) -> None:
    """`dial --then-sms` waits for the SMS where the network shows no screen."""
    with box.remote() as carrier:
        carrier.switch(refuse_screens=1)
    words = ("dial", WHOLE, "--over", "smpp", "--control", str(box.control))
    done = dargah(*words, "--then-sms", environment=gateway.environment)
    assert done.returncode == 0, done.stderr
    assert "No screen: the network has refused" in done.stdout
    assert code_in(done.stdout)


def test_an_aggregator_that_left(
    box: OperatorBox, gateway: GatewayProcess, redis: RunningRedis
) -> None:
    """Who has hung up before the answer came, by HTTP too, reads it in an SMS."""
    number = "989121234500"
    form = {"sessionId": "s", "serviceCode": WHOLE, "phoneNumber": f"+{number}", "text": ""}
    body = urlencode(form)
    request = (
        "POST /ussd HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )
    place = urlsplit(gateway.http)

    def there() -> float:
        return samples(gateway)["dargah_process_open_fds"]

    with box.remote() as carrier:
        carrier.phone(number)
        # A phone is only reached while somebody holds it.
        with pytest.raises(CarrierError):
            carrier.ask("reply", msisdn=f"+{number}", text="1")
        rest = there()
        redis.stop_answering()
        try:
            address = (place.hostname or "", place.port or 0)
            with socket.create_connection(address, timeout=10) as sock:
                sock.sendall(request.encode())
                until(lambda: there() > rest)
            until(lambda: there() == rest)
        finally:
            redis.answer_again()
        assert code_in(carrier.message(f"+{number}"))
