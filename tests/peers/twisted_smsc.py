# mypy: ignore-errors
"""
An SMSC that we did not write, on smpp.twisted3, told what to do over standard input.

Runs in an environment of its own: smpp.twisted3 holds Twisted back at a version of 2023.

    in    {"do": "deliver", "source": "98912…", "destination": "…", "hex": "…",
                            "op": 1, "its": "2a00"}      the last two for a unit of USSD
          {"do": "drop"}
    out   {"saw": "done" | "listening" | "bind" | "submit" | "deliver_resp", …}
"""

import json
import sys
from typing import Any

import smpp.pdu.pdu_encoding
from smpp.pdu.operations import DeliverSM
from smpp.pdu.pdu_encoding import Int1Encoder, OctetStringEncoder, OptionEncoder
from smpp.pdu.pdu_types import (
    AddrNpi,
    AddrTon,
    CommandStatus,
    DataCoding,
    DataCodingDefault,
    EsmClass,
    EsmClassMode,
    EsmClassType,
    Tag,
)
from smpp.twisted.config import SMPPServerConfig
from smpp.twisted.protocol import DataHandlerResponse
from smpp.twisted.server import SMPPServerFactory
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet import reactor, stdio
from twisted.protocols.basic import LineReceiver
from zope.interface import implementer

OUT = sys.stdout
# The library prints parts of some PDUs.
sys.stdout = sys.stderr


class UssdOptions(OptionEncoder):
    """Its table with the two lines of USSD, that stand in the library as comments."""

    def __init__(self) -> None:
        super().__init__()
        self.options[Tag.ussd_service_op] = Int1Encoder()
        self.options[Tag.its_session_info] = OctetStringEncoder(2)


def teach_ussd() -> None:
    """Stock it answers ussd_service_op with 0xC1, and does not send it in a deliver_sm."""
    smpp.pdu.pdu_encoding.OptionEncoder = UssdOptions
    DeliverSM.optionalParams.append("ussd_service_op")


def tell(saw: str, **more: Any) -> None:
    """Say what happened."""
    print(json.dumps({"saw": saw, **more}), file=OUT, flush=True)


@implementer(IRealm)
class Realm:
    def requestAvatar(self, avatar: bytes, _mind: object, *interfaces: Any) -> Any:
        tell("bind", system_id=str(avatar))
        return interfaces[0], avatar, lambda: None


def received(_system_id: str, _smpp: object, pdu: Any) -> Any:
    """Take one message from the ESME."""
    if pdu.commandId.name == "submit_sm":
        coding = pdu.params["data_coding"]
        tell(
            "submit",
            source=pdu.params["source_addr"].decode(),
            destination=pdu.params["destination_addr"].decode(),
            hex=pdu.params["short_message"].hex(),
            coding=str(coding.schemeData),
            op=pdu.params.get("ussd_service_op"),
            its=pdu.params.get("its_session_info", b"").hex(),
            service_type=(pdu.params["service_type"] or b"").decode(),
        )
    return DataHandlerResponse(CommandStatus.ESME_ROK, message_id=b"twisted-1")


def main() -> None:
    """Listen until standard input ends."""
    teach_ussd()
    passwords = InMemoryUsernamePasswordDatabaseDontUse()
    passwords.addUser("dargah", "secret")
    config = SMPPServerConfig(msgHandler=received, systems={"dargah": {"max_bindings": 2}})
    factory = SMPPServerFactory(config, Portal(Realm(), [passwords]))
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")

    class Orders(LineReceiver):
        delimiter = b"\n"

        def lineReceived(self, line: bytes) -> None:
            order = json.loads(line)
            for bind in factory.getBoundConnections("dargah") or []:
                if order["do"] == "drop":
                    bind.transport.abortConnection()
                    continue
                ussd = {}
                if "op" in order:
                    ussd = {
                        "service_type": b"USSD",
                        "ussd_service_op": order["op"],
                        "its_session_info": bytes.fromhex(order["its"]),
                    }
                message = DeliverSM(
                    **ussd,
                    source_addr_ton=AddrTon.INTERNATIONAL,
                    source_addr_npi=AddrNpi.ISDN,
                    source_addr=order["source"],
                    destination_addr=order["destination"],
                    esm_class=EsmClass(EsmClassMode.DEFAULT, EsmClassType.DEFAULT),
                    data_coding=DataCoding(schemeData=DataCodingDefault.UCS2),
                    short_message=bytes.fromhex(order["hex"]),
                )
                bind.sendDataRequest(message).addCallback(
                    lambda answer: tell("deliver_resp", status=str(answer.response.status))
                )

            tell("done")

        def connectionLost(self, reason: object = None) -> None:
            reactor.stop()

    stdio.StandardIO(Orders())
    tell("listening", port=port.getHost().port)
    reactor.run()


main()
