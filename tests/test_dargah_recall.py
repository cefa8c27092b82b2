"""A bad load, told to people on every channel; the good one; the recall, and its SMS."""

import asyncio
import json
import re
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from carrier.carrier import Carrier
from carrier.handset import Handset
from persian.digits import to_ascii_digits
from tests.carrier_box import carrier
from tests.gateway_process import ANY_PORTS, GatewayProcess, running_gateway
from tests.loading import csv_of, line, national
from tests.operator_box import components, samples

LONG_AGO = "2026-01-05T08:00:00+03:30"
BY_USSD, BY_WEB, BY_SMS, BY_API, HELD, GONE, CHANGED, AGAIN = (national(n) for n in range(1, 9))
PEOPLE = [national(n) for n in range(1, 60)]
UNTIL = "۱۴۰۸/۱۲/۳۰"
CODE = re.compile(r"[1-9][0-9]{10}")


def bind(port: int) -> str:
    """Settings with one bind, "a-1" of the operator "a"."""
    return f"""{ANY_PORTS}
[journal]
corrections_rate = 2.0
[[smpp]]
name = "a-1"
operator = "a"
host = "127.0.0.1"
port = {port}
system_id = "dargah"
password = "env:SMPP_PASSWORD"
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A gateway with its operator."""

    gateway: GatewayProcess
    operator: Carrier
    folder: Path

    async def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of the operator's, to its end."""
        return await asyncio.to_thread(self.gateway.run, *words)

    async def said(self, *words: str) -> str:
        """What a command prints that does what it should."""
        done = await self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    async def load(self, name: str, rows: list[str]) -> None:
        """Load a file of this content."""
        path = self.folder / name
        await asyncio.to_thread(path.write_text, csv_of(rows))
        await self.said("load", str(path), "--accept")

    async def dial(self, phone: Handset, person: str) -> str:
        """The code that the phone is given for a person."""
        screen = await phone.dial(f"*4*1420*1*{person}#")
        return code_in(screen.text)

    async def follows(self, phone: Handset, person: str) -> int:
        """Dial until the gateway answers from the newest generation; how often."""
        for times in range(1, 20):
            screen = await phone.dial(f"*4*1420*1*{person}#")
            if UNTIL in screen.text:
                return times
            await asyncio.sleep(0.2)  # it looks for a new generation twice a second
        raise AssertionError("never")

    async def post(self, path: str, body: str, **headers: str) -> str:
        """The body of what a request is answered with."""

        def ask() -> str:
            place = urlsplit(self.gateway.http)
            connection = HTTPConnection(place.hostname or "", place.port, timeout=20)
            try:
                sent = {name.replace("_", "-"): value for name, value in headers.items()}
                connection.request("POST", path, body, sent)
                return connection.getresponse().read().decode()
            finally:
                connection.close()

        return await asyncio.to_thread(ask)

    async def aggregator(self, msisdn: str, person: str) -> str:
        """The code that an aggregator's subscriber is given."""
        form = {
            "sessionId": secrets.token_hex(4),
            "serviceCode": f"*4*1420*1*{person}#",
            "phoneNumber": msisdn,
            "text": "",
        }
        kind = "application/x-www-form-urlencoded"
        return code_in(await self.post("/ussd", urlencode(form), Content_Type=kind))

    async def killed_while_sending(self, phone: Handset) -> str:
        """Begin to send, and kill -9 when the phone has the first text; that text."""
        words = (sys.executable, "-m", "dargah.main", "recall", "--send")
        nowhere = subprocess.DEVNULL
        sending = await asyncio.create_subprocess_exec(
            *words, env=self.gateway.environment, stdout=nowhere, stderr=nowhere
        )
        try:
            return (await phone.message()).text
        finally:
            sending.kill()
            assert await sending.wait() == -9

    async def sample(self, name: str) -> float:
        """One sample of the metrics."""
        return (await asyncio.to_thread(samples, self.gateway))[name]

    async def journalled(self, answers: int) -> None:
        """Until so many answers are in SQL."""
        async with asyncio.timeout(20):
            for _ in range(1000):
                if await self.sample("dargah_journal_written_total") >= answers:
                    return
                await asyncio.sleep(0.02)  # another process: nothing of ours to wait on
        raise AssertionError("never")


def code_in(text: str) -> str:
    """The tracking code in a text."""
    found = CODE.search(to_ascii_digits(text))
    assert found, text
    return found[0]


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    """A carrier, and a gateway that is bound to it."""
    async with carrier() as operator:
        running = running_gateway(
            settings=bind(operator.port), more_environment={"SMPP_PASSWORD": "secret"}
        )
        gateway = await asyncio.to_thread(running.__enter__)
        try:
            yield Site(gateway, operator, folder)
        finally:
            await asyncio.to_thread(running.__exit__, None, None, None)


def bad() -> list[str]:
    """A registry's export in which nobody is covered."""
    return [line(person, "inactive", "2026-02-01", updated_at=LONG_AGO) for person in PEOPLE]


def good() -> list[str]:
    """What the export should have been; one person changed after they were asked about."""
    now = datetime.now(UTC).isoformat()
    rows = []
    for person in PEOPLE:
        if person == HELD:
            rows.append(line(person, "inactive", "2026-02-01", updated_at=LONG_AGO))
        elif person != GONE:
            changed = now if person == CHANGED else LONG_AGO
            rows.append(line(person, valid_until="2030-03-20", updated_at=changed))
    return rows


def test_who_was_told_something_wrong_is_told_what_is_right(tmp_path: Path) -> None:
    """After a bad load each wrong answer is found, and who asked by mobile gets one SMS."""

    async def scenario() -> None:
        async with site(tmp_path) as at:
            await at.load("bad.csv", bad())
            key = (await at.said("key", "create", "pharmacy")).strip()
            phone = at.operator.handset("09121234567")
            web = at.operator.handset("09351234567")
            by_ussd = await at.dial(phone, BY_USSD)
            by_web = await at.aggregator("+989351234567", BY_WEB)
            by_sms = code_in(await phone.text(BY_SMS))
            held = code_in(await phone.text(HELD))
            gone = code_in(await phone.text(GONE))
            changed = code_in(await phone.text(CHANGED))
            await at.dial(phone, AGAIN)
            body = json.dumps({"national_id": BY_API})
            answer = await at.post("/v1/eligibility", body, Authorization=f"Bearer {key}")
            assert json.loads(answer)["outcome"] == "NOT_COVERED"
            await at.journalled(8)

            await at.load("good.csv", good())
            asked = await at.follows(phone, AGAIN)
            await at.journalled(8 + asked)

            assert f"{8 + asked} answers in sqlite" in await at.said("journal", "status")
            dry = await at.said("recall", "--generation", "1", "--dry-run")
            assert "8 answers compared with generation 2" in dry
            unheard = await at.said("recall", "--generation", "99", "--dry-run")
            assert "No answer in the journal is from generation 99" in unheard
            assert "2 hold, 5 were wrong" in dry
            refused = await at.run("recall", "--send")
            assert refused.returncode == 1
            assert "No recall is prepared" in refused.stderr
            found = await at.said("recall", "--generation", "1")
            table = [row.split() for row in found.splitlines()]
            assert ["NOT_COVERED", "COVERED", "4"] in table
            assert ["NOT_COVERED", "NOT_FOUND", "1"] in table
            assert "1 differs, but the registry changed the record" in found
            assert "by SMS 4, through their own system 1" in found

            before = at.operator.network.counts["submitted"]
            texts = [await at.killed_while_sending(phone)]
            # What it had marked and not handed over comes with the rest, and nothing twice.
            assert (await at.said("recall", "--send")).startswith("4 corrections")
            texts += [(await phone.message()).text for _ in range(2)]
            texts.append((await web.message()).text)
            assert at.operator.network.counts["submitted"] == before + 4
            assert {code_in(text) for text in texts} == {by_ussd, by_sms, gone, by_web}
            assert held not in texts
            assert changed not in texts
            for text in texts:
                assert "پوزش" in text
                assert ("پیدا نشد" if gone in text else UNTIL) in text
                assert not any(person in to_ascii_digits(text) for person in PEOPLE)

            # Nobody is told twice, and who was told what is right has no wrong answer any more.
            assert (await at.said("recall", "--send")).startswith("0 corrections")
            once_more = await at.said("recall", "--generation", "1")
            assert "6 hold, 1 was wrong" in once_more
            assert await at.sample("dargah_journal_lost_total") == 0
            assert (await asyncio.to_thread(components, at.gateway))[1]["journal"] == "ok"

    asyncio.run(scenario())


def test_keys_are_rotated_under_a_running_gateway(tmp_path: Path) -> None:
    """A new key is in use within seconds, the old one stays readable, and both are listed."""

    async def scenario() -> None:
        async with site(tmp_path) as at:
            await at.load("bad.csv", bad())
            phone = at.operator.handset("09121234567")
            await at.dial(phone, BY_USSD)
            await at.journalled(1)
            said = await at.said("journal", "rotate-key")
            keys = (await at.said("journal", "keys")).splitlines()
            assert [row.split()[1] for row in keys] == ["1", "0"]
            assert keys[1].split()[0] in said
            assert "in use" in keys[1]
            async with asyncio.timeout(30):
                asked = 1
                while (await at.said("journal", "keys")).splitlines()[1].split()[1] == "0":
                    await at.dial(phone, national(20 + asked))
                    asked += 1
                    await at.journalled(asked)
            await at.load("good.csv", good())
            found = await at.said("recall", "--generation", "1")
            assert f"{asked} answers compared" in found
            assert f"{asked} were wrong" in found

    asyncio.run(scenario())


def test_a_recall_says_why_it_cannot_be(tmp_path: Path) -> None:
    """Without a question, without people, without a journal: a sentence, and nothing is sent."""

    async def scenario() -> None:
        async with site(tmp_path) as at:
            for words, why in (
                ((), "which answers are in doubt"),
                (("--generation", "1"), "No generation is loaded"),
                (("--since", "yesterday"), "--since is a time such as"),
                (("--send", "--changed"), "give it --generation alone"),
            ):
                refused = await at.run("recall", *words)
                assert refused.returncode == 1
                assert why in refused.stderr

    asyncio.run(scenario())
