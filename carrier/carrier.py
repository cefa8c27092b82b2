"""One operator's side, started and stopped as a whole."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IListeningPort

from carrier.control import Control
from carrier.faults import Faults
from carrier.handset import Handset
from carrier.network import Network
from carrier.settings import CarrierSettings

if TYPE_CHECKING:
    from twisted.internet.asyncioreactor import AsyncioSelectorReactor


class Carrier:
    """A carrier that runs. `port` is its SMSC's; `network` counts and knows its binds."""

    def __init__(
        self,
        network: Network,
        listening: IListeningPort,
        control: Control | None,
        control_path: Path | None,
    ) -> None:
        self.network = network
        self.control_path = control_path
        address = listening.getHost()
        assert isinstance(address, IPv4Address)
        self.port: int = address.port
        self._listening = listening
        self._control = control

    @property
    def faults(self) -> Faults:
        """What may be switched on."""
        return self.network.faults

    def handset(self, msisdn: str) -> Handset:
        """The phone with this number, in any form. Raises NotAnMsisdn."""
        return self.network.handset(msisdn)

    async def stop(self) -> None:
        """Take no more binds, cut those there are, free everything."""
        if self._control is not None:
            await self._control.stop()
        stopped = self._listening.stopListening()
        if stopped is not None:
            await stopped.asFuture(asyncio.get_running_loop())
        self.network.drop()
        await self.network.gone()


async def start_carrier(
    reactor: "AsyncioSelectorReactor",
    settings: CarrierSettings,
    *,
    octets: Callable[[int], bytes] = os.urandom,
) -> Carrier:
    """Listen for binds, and on the control socket if there is a path for one.

    octets: for garbage. Raises OSError or Twisted's CannotListenError where it can't listen.
    """
    network = Network(settings, reactor)
    listening: IListeningPort = reactor.listenTCP(  # type: ignore[no-untyped-call]
        settings.port, network.wires, interface=settings.host
    )
    if settings.control_path is None:
        return Carrier(network, listening, None, None)
    control = Control(network, octets)
    try:
        await control.listen(settings.control_path)
    except BaseException:
        await Carrier(network, listening, None, None).stop()
        raise
    return Carrier(network, listening, control, settings.control_path)
