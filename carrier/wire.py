"""
Between the socket and the SMSC: where connections go wrong.

A wire passes everything on as it is until a fault is switched on.
"""

from collections.abc import Callable

from twisted.internet.interfaces import IAddress, IProtocol, IReactorTime, ITCPTransport
from twisted.internet.protocol import Protocol
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory

from carrier.faults import Faults
from smpp.errors import RemoteProtocolError
from smpp.framing import Framer
from smpp.smsc import Smsc


class Wire(ProtocolWrapper):
    """One connection."""

    def __init__(self, factory: "Wires", link: IProtocol) -> None:
        super().__init__(factory, link)
        self._faults = factory.faults
        self._clock = factory.clock
        self._framer = Framer()
        self._begun = 0
        self._unsent = bytearray()

    def dataReceived(self, data: bytes) -> None:
        """Count the gateway's PDUs, and cut the connection where that was asked for."""
        ended = self._ended(data)
        left = self._faults.drop_after
        if left and len(ended) >= left:
            self._faults.drop_after = 0
            unread = self._begun + sum(ended[left - 1 :])
            self._pass_on(data[: max(0, len(data) - unread)])
            self.cut()
            return
        self._faults.drop_after -= min(left, len(ended))
        self._pass_on(data)

    def write(self, data: bytes) -> None:
        """Write, or begin to trickle."""
        if self._unsent:
            self._unsent += data
        elif self._faults.one_byte:
            self._unsent += data
            self._trickle()
        else:
            super().write(data)  # type: ignore[no-untyped-call]

    def loseConnection(self) -> None:
        """Write what is left, then close."""
        rest, self._unsent = bytes(self._unsent), bytearray()
        super().write(rest)  # type: ignore[no-untyped-call]
        super().loseConnection()  # type: ignore[no-untyped-call]

    def cut(self) -> None:
        """End the connection without a word."""
        self._unsent.clear()
        transport: ITCPTransport = self.transport  # type: ignore[assignment]
        transport.abortConnection()

    def garbage(self, octets: bytes) -> None:
        """Write what is no SMPP."""
        self.write(octets)

    def _ended(self, data: bytes) -> list[int]:
        """The length of each PDU that ends in these octets."""
        ended: list[int] = []
        try:
            ended.extend(len(frame) for frame in self._framer.frames(data))
        except RemoteProtocolError:
            # The stream is lost: the session tells the peer so, and closes.
            return []
        self._begun += len(data) - sum(ended)
        return ended

    def _pass_on(self, data: bytes) -> None:
        if self.wrappedProtocol is not None:
            self.wrappedProtocol.dataReceived(data)

    def _trickle(self) -> None:
        if not self._unsent or self.wrappedProtocol is None:
            return
        octet = bytes(self._unsent[:1])
        del self._unsent[:1]
        super().write(octet)  # type: ignore[no-untyped-call]
        # In the next turn of the loop, or the transport would join them again.
        self._clock.callLater(0, self._trickle)


class Wires(WrappingFactory[Wire]):
    """The SMSC's factory with its wires."""

    noisy = False
    protocol: Callable[..., Wire] = Wire

    def __init__(self, smsc: Smsc, faults: Faults, clock: IReactorTime) -> None:
        super().__init__(smsc)  # type: ignore[no-untyped-call]
        self.faults = faults
        self.clock = clock

    def buildProtocol(self, addr: IAddress | None) -> Wire:
        """Twisted: a connection has come. None closes it, where there are too many."""
        link: Protocol | None = self.wrappedFactory.buildProtocol(addr)
        if link is None:
            return None  # type: ignore[return-value]
        return Wire(self, link)
