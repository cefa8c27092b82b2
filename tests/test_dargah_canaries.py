"""
No national ID, no whole number and no key gets out.

Canaries are sent in on every route, well-formed and not; then every byte that a gateway wrote,
kept or shows of itself is searched for them.
"""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from dargah.main import COMMANDS
from persian.digits import to_persian_digits
from tests.gateway_process import ANY_PORTS, GatewayProcess, running_gateway
from tests.operator_box import until

SECRET = "canary-of-the-aggregator-77"
SETTINGS = ANY_PORTS + '[registry]\nurl = "sqlite:///registry.sqlite3"\n'
SETTINGS += '[ussd]\nsecret = "env:CANARY_SECRET"\n[log]\nlevel = "debug"\n'

IDS = ("3692581475", "0074825194", "918273645501")
"""A ten-digit ID with a right check digit, one with zeros in front, and a foreign national's."""

BROKEN_IDS = ("3692581470", "369258147", "36925814701234567890", "36925814x0")
NUMBERS = ("989351472583", "989017364528")
BROKEN_NUMBERS = ("93514725", "98935147258399999999")
CANARIES = (*IDS, *BROKEN_IDS, *NUMBERS, *BROKEN_NUMBERS)
"""All that is sent; none is so short that it might be found by chance."""

assert all(sum(map(str.isdigit, canary)) >= 8 for canary in CANARIES)

ARABIC_INDIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


def spellings(canary: str) -> Iterator[bytes]:
    """Every way in which a canary could stand in a file."""
    for digits in (canary, to_persian_digits(canary), canary.translate(ARABIC_INDIC)):
        yield digits.encode()
        yield digits.encode("utf-16-be")
        yield digits.encode("utf-16-le")
        yield digits.encode("utf-16-be").hex().encode()
        yield digits.encode("utf-16-be").hex().upper().encode()
        yield quote(digits).encode()
        yield json.dumps(digits).strip('"').encode()


def ask(url: str, path: str, body: str | None, headers: dict[str, str]) -> bytes:
    """One request; head and body of the answer."""
    place = urlsplit(url)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=20)
    try:
        connection.request("POST" if body is not None else "GET", path, body, headers)
        answer = connection.getresponse()
        return str(answer.getheaders()).encode() + answer.read()
    finally:
        connection.close()


def ussd(gateway: GatewayProcess, code: str, number: str, text: str, secret: str = SECRET) -> bytes:
    """One USSD request in a session of its own."""
    form = {
        "sessionId": secrets.token_hex(4),
        "serviceCode": code,
        "phoneNumber": number,
        "text": text,
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Dargah-Secret": secret}
    return ask(gateway.http, "/ussd", urlencode(form), headers)


def play(gateway: GatewayProcess, key: str) -> list[bytes]:
    """Send every canary in, wherever something can be sent in; all answers."""
    seen = []
    for digits in (*IDS, *BROKEN_IDS):
        for shown in (digits, to_persian_digits(digits), digits.translate(ARABIC_INDIC)):
            for number in (*NUMBERS, *BROKEN_NUMBERS):
                seen.append(ussd(gateway, "*4*1420#", f"+{number}", f"1*{shown}"))
                seen.append(ussd(gateway, f"*4*1420*1*{shown}#", number, ""))
            seen.append(ussd(gateway, shown, f"+{NUMBERS[0]}", shown))
            for given in (key, key[:-1] + "A", key + "A", f"dg_{digits}"):
                headers = {
                    "Authorization": f"Bearer {given}",
                    "Content-Type": "application/json",
                    "Idempotency-Key": digits,
                }
                body = json.dumps({"national_id": shown})
                seen.append(ask(gateway.http, "/v1/eligibility", body, headers))
                seen.append(ask(gateway.http, "/v1/eligibility", body[:-2], headers))
        seen.append(ask(gateway.http, f"/v1/eligibility/{digits}?id={digits}", None, {}))
        seen.append(ask(gateway.http, f"/{digits}", "{", {"X-Id": digits}))
    seen.append(ussd(gateway, "*4*1420#", f"+{NUMBERS[0]}", "", secret=SECRET + "x"))
    for number, digits in zip(NUMBERS * 4, (*IDS, *BROKEN_IDS), strict=False):
        seen.append(done(gateway, "dial", f"*4*1420*1*{digits}#", "--msisdn", number))
        seen.append(done(gateway, "inquiry", digits, "--msisdn", number))
    seen.append(done(gateway, "lookup", *IDS, *BROKEN_IDS))
    given = "".join(f"{digits}\n" for digits in (*IDS, *BROKEN_IDS))
    seen.append(done(gateway, "lookup", "--json", "-", given=given))
    # One that is wrong keeps the others from no answer.
    assert sum(answer.count(b"\n") >= len(IDS + BROKEN_IDS) for answer in seen[-2:]) == 2
    seen.append(done(gateway, "inquiry", "10000000009", "--msisdn", BROKEN_NUMBERS[0]))
    seen.append(done(gateway, "key", "list"))
    return seen


def play_operator(gateway: GatewayProcess) -> list[bytes]:
    """Send canaries in by SMS, USSD over SMPP and telephone, through the carrier in a box."""
    seen = []
    for number, digits in zip(NUMBERS * 4, (*IDS, *BROKEN_IDS), strict=False):
        phone = ("--msisdn", number)
        seen.append(done(gateway, "text", f"کد ملی {to_persian_digits(digits)}", *phone))
        seen.append(done(gateway, "dial", f"*4*1420*1*{digits}#", "--over", "smpp", *phone))
        screens = done(gateway, "dial", "*1666#", "--over", "smpp", *phone, given=f"1\n{digits}\n")
        seen.append(screens)
        keys = "".join(filter(str.isdigit, digits))
        seen.append(done(gateway, "call", *phone, "--type", f"1,{keys}#,hangup"))
    # Where the ID was right an answer came, on each of the ways.
    assert sum("پیدا نشد".encode() in answer for answer in seen) >= 3 * 3
    assert sum(b"not_found" in answer for answer in seen) >= 3
    return seen


def done(gateway: GatewayProcess, *words: str, given: str = "") -> bytes:
    """All output of another command."""
    finished = gateway.run(*words, given=given)
    return (finished.stdout + finished.stderr).encode()


def waiting(gateway: GatewayProcess) -> Iterator[tuple[str, bytes]]:
    """The process title of each command that waits, its canaries among its arguments."""
    number, broken = ("--msisdn", NUMBERS[0]), BROKEN_IDS[1]
    dial = ("dial", f"*4*1420*1*{broken}#", *number)
    yield from _title(gateway, *dial)
    yield from _title(gateway, *dial, "--over", "smpp")
    yield from _title(gateway, "call", *number)
    yield from _title(gateway, "call", *number, "--type", f"1,{broken}#")
    yield from _title(gateway, "lookup", IDS[0], "-", says=False)
    yield from _title(gateway, "--settings", str(gateway.settings), *dial)
    # Without a gateway nobody answers a text.
    down = gateway.run("carrier", "--switch", "refuse_binds=14", "--drop")
    assert down.returncode == 0, down.stderr
    yield from _title(gateway, "text", IDS[0], *number, says=False)


def _title(gateway: GatewayProcess, *words: str, says: bool = True) -> Iterator[tuple[str, bytes]]:
    """Start a command, read its title while it waits, and end it. `says`: it shows something."""
    command = next(word for word in words if word in COMMANDS)
    process = subprocess.Popen(
        [sys.executable, "-m", "dargah.main", *words],
        env=gateway.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    title = Path(f"/proc/{process.pid}/cmdline")
    try:
        assert process.stdout is not None
        if says:
            assert process.stdout.readline()
        # Until then it is Python that starts: no program can hide its arguments so early.
        until(lambda: title.read_bytes().rstrip(b"\0 ").startswith(b"dargah"))
        assert process.poll() is None
        yield command, title.read_bytes()
    finally:
        process.kill()
        process.communicate()


def kept(gateway: GatewayProcess) -> Iterator[tuple[str, bytes]]:
    """Everything that the gateway wrote or shows: output, files and their names, processes."""
    yield "output", gateway.output.read_bytes()
    yield "metrics", ask(gateway.metrics, "/metrics", None, {})
    yield "readiness", ask(gateway.http, "/readyz", None, {})
    for path in gateway.folder.rglob("*"):
        yield f"the name {path.name}", str(path).encode()
        if path.is_file() and path.name != "api-key":
            yield path.name, path.read_bytes()
    home = gateway.environment["DARGAH_DATA"]
    titles = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            title = (process / "cmdline").read_bytes()
            # Of this gateway alone: other runs may be on the machine.
            ours = home.encode() in (process / "environ").read_bytes() or (
                (process / "cwd").readlink().is_relative_to(home)
            )
        except OSError:
            continue
        if ours:
            titles += 1
            yield f"the title of process {process.name}", title
    assert titles >= 3, "a gateway, its keeper and two servers"


def search(gateway: GatewayProcess, seen: list[bytes], secret_words: tuple[str, ...]) -> None:
    """Fail where a canary is found, naming the place and not the canary."""
    canaries = [(n, spelt) for n, canary in enumerate(CANARIES) for spelt in spellings(canary)]
    canaries += [(100 + n, word.encode()) for n, word in enumerate(secret_words)]
    places = [*kept(gateway), *((f"answer {n}", answer) for n, answer in enumerate(seen))]
    assert len(places) > 100
    found = {(n, place) for place, content in places for n, spelt in canaries if spelt in content}
    assert not found


def test_the_demo_gives_no_canary_away() -> None:
    """A demo that was asked about canaries by canaries shows them nowhere."""
    with running_gateway(
        "demo", "--people", "500", settings=SETTINGS, more_environment={"CANARY_SECRET": SECRET}
    ) as gateway:
        key = (gateway.folder / "api-key").read_text().strip()
        seen = [*play(gateway, key), *play_operator(gateway)]
        search(gateway, seen, (SECRET, key, key[12:]))


def test_no_process_title_gives_a_canary_away() -> None:
    """While a command waits, the list of processes shows its name alone."""
    with running_gateway("demo", "--people", "500") as gateway:
        titles = list(waiting(gateway))
    assert {command for command, _ in titles} == {"dial", "call", "lookup", "text"}
    for command, title in titles:
        assert title.rstrip(b"\0 ") in (b"dargah", f"dargah {command}".encode()), command
        # What setproctitle leaves behind the title counts too.
        found = any(spelt in title for canary in CANARIES for spelt in spellings(canary))
        assert not found, command


def test_a_gateway_that_knows_the_canaries_gives_none_away(tmp_path: Path) -> None:
    """People who are loaded, and rows that are rejected, show up in no file and no output."""
    csv = tmp_path / "people.csv"
    rows = [f"{digits},active,2030-01-01,main,7,2026-01-01T00:00:00+03:30" for digits in IDS]
    rows += [f"{digits},active,2030-01-01,main,7,2026-01-01T00:00:00" for digits in BROKEN_IDS]
    rows += [f"{IDS[0]},active,2030-02-30,main,7,2026-01-01", f"{IDS[0]},,,,,"]
    rows += [f"{NUMBERS[0]},active,{IDS[0]},{IDS[0]},{IDS[0]},{IDS[0]}"]
    csv.write_text(
        "national_id,status,valid_until,kind,branch,updated_at\n" + "\n".join(rows) + "\n"
    )
    with running_gateway(settings=SETTINGS, more_environment={"CANARY_SECRET": SECRET}) as gateway:
        loaded = gateway.run("load", str(csv), "--max-reject-share", "1")
        assert loaded.returncode == 0, loaded.stderr
        key = gateway.run("key", "create", "canary", "--scope", "details").stdout.strip()
        seen = [(loaded.stdout + loaded.stderr).encode(), *play(gateway, key)]
        assert sum(b"2029-12-31" in answer or b"2030-01-01" in answer for answer in seen) > 3
        seen.append((tmp_path / "people.rejects.csv").read_bytes())
        search(gateway, seen, (SECRET, key, key[12:]))
