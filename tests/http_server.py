"""
The HTTP edge in a process of its own, before answers that a test can predict.

    python -m tests.http_server '{"idle_timeout": 0.3}'

The reactor can be installed once in a process, so a test cannot hold it. Prints its ports as a
line of JSON; SIGTERM drains it, and it prints how many answers were cut short.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SORRY = "END try again soon"
CANARY = "0012345679"
DRAIN_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Server:
    """A running edge."""

    process: subprocess.Popen[str]
    log: Path
    port: int
    metrics_port: int

    def ended(self) -> tuple[int, str, str]:
        """Wait for its end: exit code, what it printed besides its ports, and what it logged."""
        out, _ = self.process.communicate(timeout=20)
        return self.process.returncode, out, self.log.read_text(encoding="utf-8")


@contextmanager
def http_server(**settings: object) -> Iterator[Server]:
    """Start the edge with these settings, both ports chosen by the system; end it afterwards."""
    with tempfile.TemporaryDirectory(prefix="dargah-http-") as folder:
        log = Path(folder) / "log"
        with log.open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.http_server", json.dumps(settings)],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, log.read_text(encoding="utf-8")
            yield Server(process, log, *json.loads(line))
        finally:
            process.kill()
            process.communicate()


def main(settings: dict[str, Any]) -> int:
    """Serve until SIGTERM."""
    from dargah.loop import install, run

    reactor = install()
    from api.exchange import ApiReply, ApiRequest
    from config.http_settings import HttpSettings
    from dargah.http import start_http
    from dargah.http_routes import Edges
    from dargah.logs import set_up_logs
    from dargah.metrics import Metrics
    from eligibility.answer import Answer
    from eligibility.verdict import CANNOT_CHECK
    from telecom.msisdn import Msisdn
    from ussd.aggregator import Body
    from ussd.sessions import Told

    set_up_logs("info", readable=False)
    for key in settings.keys() & {"ussd_networks", "metrics_networks"}:
        settings[key] = tuple(ip_network(entry) for entry in settings[key])
    for key in settings.keys() & {"tls_certificate", "tls_key"}:
        settings[key] = Path(settings[key])
    components = {"state": "ok", "cache": "ok"}
    draining, released = asyncio.Event(), asyncio.Event()
    said: list[str] = []
    outlives = settings.pop("outlives", False)

    def untold(msisdn: Msisdn, told: Told) -> None:
        said.append(f"untold {told.answer.tracking_code} {msisdn}")
        components["state"] = ", ".join(said)

    async def ussd(form: Mapping[str, str]) -> Body:
        text = form.get("text", "")
        match text:
            case "boom":
                raise ValueError(CANARY)
            case "never":
                await asyncio.Event().wait()
            case "until_stop":
                await draining.wait()
            case "tasks":
                return Body(200, f"CON {len(asyncio.all_tasks())}")
            case "told":
                await released.wait()
                told = Told(Answer(CANNOT_CHECK, "48305172606"), "fa")
                return Body(200, "END told", (Msisdn("989121234567"), told))
            case "release":
                released.set()
            case "down":
                components["cache"] = "no answer"
        return Body(200, f"CON {text}")

    async def api(request: ApiRequest) -> ApiReply:
        if request.authorization == "boom":
            raise ValueError(CANARY)
        if request.authorization == "never":
            await asyncio.Event().wait()
        return ApiReply(
            200,
            {
                "authorization": request.authorization,
                "idempotency_key": request.idempotency_key,
                "octets": len(request.body),
            },
        )

    async def ready() -> Mapping[str, str]:
        return components

    async def serve(stopping: asyncio.Event) -> int:
        listening = await start_http(
            reactor,
            HttpSettings(**{"port": 0, "metrics_port": 0, **settings}),
            Edges(ussd, SORRY, api, ready, untold=untold if outlives else None),
            Metrics(),
        )
        print(json.dumps([listening.port, listening.metrics_port]), flush=True)
        await stopping.wait()
        draining.set()
        print(await listening.stop(DRAIN_SECONDS))
        return 0

    return run(reactor, serve)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
