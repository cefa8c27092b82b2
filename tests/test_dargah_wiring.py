"""A gateway's parts are joined as its settings say: guards, binds, counters, and its end."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from carrier.caller import Script, Telephone
from carrier.channel import Asked, Event, Heard
from carrier.errors import CarrierError
from carrier.pbx import Pbx
from config.settings import read_settings
from dargah.call_reader import hear_back
from dargah.ivr_port import peers_of
from dargah.routes import FASTER
from dargah.running import find
from eligibility.verdict import Outcome
from ivr.voices import load_voices
from tests.gateway_process import ANY_PORTS, GatewayProcess, running_gateway
from tests.operator_box import (
    ENVIRONMENT,
    OperatorBox,
    bound,
    components,
    operator_box,
    samples,
    until,
)
from tests.redis_server import running_redis
from tests.scripted_inquirer import TREE

NUMBER = "989121234567"
COVERED = "0012345679"
PEOPLE = f"""national_id,status,valid_until,kind,branch,updated_at
{COVERED},active,2090-03-20,main,7,2026-01-01T00:00:00+03:30
"""


@pytest.fixture(scope="module", name="box")
def _box() -> Iterator[OperatorBox]:
    with operator_box() as box:
        yield box


def fastagi_of(gateway: GatewayProcess) -> tuple[str, int]:
    """Where its FastAGI port is."""
    running = find(gateway.folder)
    host, _, port = running.fastagi.rpartition(":")
    return host, int(port)


def test_texts_are_counted_and_binds_are_ready(box: OperatorBox) -> None:
    """/metrics counts each text and its reply; /readyz names each bind, and why it is not ready."""
    with running_gateway(settings=box.settings(), more_environment=ENVIRONMENT) as gateway:
        bound(gateway)
        with box.remote() as carrier:
            assert components(gateway)[1]["smpp a-1"] == "ok"
            assert "1420" in carrier.text(NUMBER, "راهنما")
            until(lambda: samples(gateway).get('dargah_sms_seconds_count{operator="a"}') == 1)
            counted = samples(gateway)
            assert counted['dargah_sms_in_total{operator="a",what="taken"}'] == 1
            assert counted['dargah_sms_in_total{operator="a",what="answered"}'] == 1
            assert counted['dargah_sms_out_total{operator="a",what="submitted"}'] == 1
            carrier.switch(refuse_binds=14)
            try:
                carrier.ask("drop")
                until(lambda: components(gateway)[1]["smpp a-1"] != "ok")
                assert components(gateway)[0] == 503
            finally:
                carrier.switch(refuse_binds=0)


def test_only_ussd_carries_no_texts(box: OperatorBox) -> None:
    """With `--only ussd` a code is answered, and a text stays with the SMSC."""
    with running_gateway(
        "serve", "--only", "ussd", settings=box.settings(), more_environment=ENVIRONMENT
    ) as gateway:
        bound(gateway)
        with box.remote() as carrier:
            assert carrier.phone(NUMBER).dial("*4*1420#").more
        with box.remote(within=1.0) as carrier, pytest.raises(CarrierError):
            carrier.text(NUMBER, "راهنما")
        counted = samples(gateway)
        assert counted['dargah_smpp_anomalies_total{bind="a-1",what="not_carried"}'] >= 1
        assert not any(name.startswith("dargah_sms_in_total") for name in counted)


def test_only_sms_carries_no_codes(box: OperatorBox) -> None:
    """With `--only sms` a text is answered, and a code is refused."""
    with running_gateway(
        "serve", "--only", "sms", settings=box.settings(), more_environment=ENVIRONMENT
    ) as gateway:
        bound(gateway)
        with box.remote() as carrier:
            assert "1420" in carrier.text("989121234568", "راهنما")
            with pytest.raises(CarrierError, match="refused"):
                carrier.phone(NUMBER).dial("*4*1420#")


def test_without_sms_and_ussd_nothing_is_bound(box: OperatorBox) -> None:
    """With `--only http` no SMSC is connected to, and readiness asks for none."""
    with running_gateway(
        "serve", "--only", "http", settings=box.settings(), more_environment=ENVIRONMENT
    ) as gateway:
        assert not any(name.startswith("smpp") for name in components(gateway)[1])
        assert not any(name.startswith("dargah_smpp_bound{") for name in samples(gateway))


def test_a_stop_sends_the_replies_at_hand(box: OperatorBox) -> None:
    """A reply that the SMSC put off is still sent before a stopping gateway unbinds."""
    with running_redis() as redis, box.remote() as carrier, ThreadPoolExecutor(1) as others:
        settings = box.settings(
            more='[redis]\nstate_url = "env:STATE_URL"\n', http="drain_timeout = 30.0"
        )
        environment = {**ENVIRONMENT, "STATE_URL": f"unix://{redis.address.path}"}
        carrier.switch(throttle=1)
        try:
            with running_gateway(settings=settings, more_environment=environment) as gateway:
                bound(gateway)
                with box.remote(within=20.0) as phone:
                    reply = others.submit(phone.text, "989121234569", "راهنما")
                    name = 'dargah_sms_out_total{operator="a",what="throttled"}'
                    until(lambda: samples(gateway).get(name, 0) >= 1)
                    os.kill(gateway.pid, signal.SIGTERM)
                    assert "1420" in reply.result(30)
                until(lambda: ended(gateway.pid))
            assert redis.ask("XLEN", "sms:{a}:out") == b":0\r\n"
            assert redis.ask("XLEN", "sms:{a}:in") == b":0\r\n"
        finally:
            carrier.switch(throttle=0)


def ended(pid: int) -> bool:
    """Whether a process of ours has ended; a second SIGTERM would cut its drain short."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


class _StopsTheGateway:
    """At the first question asks the gateway to stop; types when its port takes no more calls."""

    def __init__(self, script: Script, stop: Callable[[], None]) -> None:
        self._script = script
        self._stop: Callable[[], None] | None = stop
        self.names: list[str] = []

    def noticed(self, event: Event, telephone: Telephone) -> None:
        """React."""
        if isinstance(event, Heard):
            self.names.append(event.name)
        if isinstance(event, Asked) and self._stop is not None:
            stop, self._stop = self._stop, None
            stop()
        self._script.noticed(event, telephone)


def closed(address: tuple[str, int]) -> bool:
    """Whether nothing listens there."""
    try:
        socket.create_connection(address, timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_stop_lets_calls_end(tmp_path: Path) -> None:
    """Whoever is on the line when a gateway is stopped still hears their answer."""
    people = tmp_path / "people.csv"
    people.write_text(PEOPLE)
    with running_gateway(settings=ANY_PORTS) as gateway:
        loaded = gateway.run("load", str(people))
        assert loaded.returncode == 0, loaded.stderr
        until(lambda: components(gateway)[1]["population"] == "ok")
        address = fastagi_of(gateway)

        def stop() -> None:
            os.kill(gateway.pid, signal.SIGTERM)
            until(lambda: closed(address))

        heard = _StopsTheGateway(Script(["1", f"{COVERED}#"]), stop)
        asyncio.run(Pbx(*address, speed=FASTER).call(heard, msisdn="09121234567"))
        until(lambda: ended(gateway.pid))
        seen = hear_back(TREE, load_voices(), heard.names)
        assert seen is not None
        assert (seen.outcome, seen.day) == (Outcome.COVERED, "1469/01/01")


def test_a_stranger_is_not_served_by_telephone() -> None:
    """An address outside ivr.networks is closed at once, and counted."""
    settings = ANY_PORTS + 'networks = ["10.11.12.0/24"]\n'
    with running_gateway(settings=settings) as gateway:
        with socket.create_connection(fastagi_of(gateway), timeout=10) as line:
            line.sendall(b"agi_request: agi://127.0.0.1/call\nagi_callerid: 0912\n\n")
            try:
                said = line.recv(100)
            except ConnectionResetError:
                said = b""
            assert said == b""
        assert samples(gateway)['dargah_calls_ended_total{how="stranger"}'] == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_the_telephone_s_port_needs_its_guard(host: str) -> None:
    """FastAGI beyond loopback without ivr.networks is refused at the start, by file and line."""
    settings = ANY_PORTS + f'host = "{host}"\n'
    with (
        pytest.raises(AssertionError, match=r"settings\.toml:\d+: .*ivr\.networks"),
        running_gateway(settings=settings),
    ):
        pass


def test_who_may_call_by_default() -> None:
    """Without ivr.networks only this machine may use the FastAGI port."""
    assert [str(network) for network in peers_of(read_settings(None, {}))] == [
        "127.0.0.0/8",
        "::1/128",
    ]
