"""The demo's operator: a carrier in a box, and the bind to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.internet.error import CannotListenError

from carrier.carrier import Carrier, start_carrier
from carrier.settings import CarrierSettings
from config.reading import Secret
from config.smpp_settings import SmppBind
from dargah.carrier_socket import FILE
from dargah.failures import Failure

if TYPE_CHECKING:
    from twisted.internet.asyncioreactor import AsyncioSelectorReactor

SYSTEM_ID = "dargah"
PASSWORD = "dargah"  # noqa: S105 - of the operator in a box, on loopback


@asynccontextmanager
async def demo_carrier(reactor: "AsyncioSelectorReactor", folder: Path) -> AsyncIterator[Carrier]:
    """The operator, on any free port. Raises Failure."""
    settings = CarrierSettings(
        port=0,
        users={SYSTEM_ID: PASSWORD},
        control_path=folder / FILE,
    )
    try:
        carrier = await start_carrier(reactor, settings)
    except CannotListenError as error:
        raise Failure(f"the carrier in a box cannot listen on port {error.port}.") from None
    except OSError as error:
        raise Failure(f"the carrier in a box cannot start: {error.strerror}.") from None
    try:
        yield carrier
    finally:
        await carrier.stop()


def bind_to_carrier(port: int) -> SmppBind:
    """The gateway's bind to the operator in a box."""
    return SmppBind(
        name="carrier",
        operator="carrier",
        host="127.0.0.1",
        port=port,
        system_id=SYSTEM_ID,
        password=Secret(PASSWORD),
        answers_by_sms=True,
    )
