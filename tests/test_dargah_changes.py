"""Changes reach a running gateway, by whoever appends them, and outlive a gateway that dies."""

import json
import os
import re
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from redis import Redis as Stranger

from tests.gateway_process import ANY_PORTS, GatewayProcess, dargah, environment_of, running_gateway
from tests.loading import HEADER, csv_of, line, national
from tests.operator_box import components, samples, until
from tests.redis_server import RunningRedis, running_redis
from tests.test_dargah_canaries import ask

SOMEBODY, OTHER = national(1), national(2)
STREAM = "eligibility:changes"
NUMBER = "989351472583"


def settings_of(server: RunningRedis, more: str = "") -> str:
    """Settings of gateways that stand on a Redis of the operator's own."""
    url = f"unix://{server.address.path}"
    return f'[redis]\ncache_url = "{url}"\nstate_url = "{url}"\n{ANY_PORTS}{more}'


def stranger(server: RunningRedis) -> Stranger:
    """Another system, with a library of its own."""
    return Stranger(unix_socket_path=str(server.address.path))


def append(server: RunningRedis, fields: dict[str, str]) -> str:
    """XADD; the entry's ID."""
    added = stranger(server).xadd(STREAM, dict(fields.items()))
    assert isinstance(added, bytes)
    return added.decode()


def change(digits: str, status: str, minutes_ago: float = 1) -> dict[str, str]:
    """A change as another system writes it."""
    updated = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    return {
        "national_id": digits,
        "status": status,
        "valid_until": "2090-03-20" if status == "active" else "",
        "kind": "main",
        "branch": "12",
        "updated_at": updated.isoformat(),
    }


@contextmanager
def loaded_gateway(server: RunningRedis, folder: Path, more: str = "") -> Iterator[GatewayProcess]:
    """A gateway over an emptied Redis, in which somebody's payment is awaited."""
    stranger(server).flushall()
    with running_gateway(settings=settings_of(server, more)) as gateway:
        people = folder / "people.csv"
        rows = [
            line(digits, status, "", updated_at="2020-01-01")
            for digits, status in ((SOMEBODY, "pending"), (OTHER, "active"))
        ]
        people.write_text(csv_of(rows))
        loaded = gateway.run("load", str(people))
        assert loaded.returncode == 0, loaded.stderr
        yield gateway


def by_api(gateway: GatewayProcess, key: str, digits: str = SOMEBODY) -> dict[str, str]:
    """What a provider's system is told."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    body = ask(gateway.http, "/v1/eligibility", json.dumps({"national_id": digits}), headers)
    return dict(json.loads(body[body.index(b"{") :]))


def by_ussd(gateway: GatewayProcess, digits: str = SOMEBODY) -> str:
    """What a phone shows, in a session of its own."""
    form = {
        "sessionId": secrets.token_hex(8),
        "serviceCode": f"*4*1420*1*{digits}#",
        "phoneNumber": f"+{NUMBER}",
        "text": "",
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return ask(gateway.http, "/ussd", urlencode(form), headers).decode().rpartition("]")[2]


def code_in(text: str) -> str:
    """The tracking code on a screen."""
    found = re.search(r"[0-9]{11}", text)
    assert found, text
    return found[0]


def test_a_payment_shows_on_every_channel(server: RunningRedis, tmp_path: Path) -> None:
    """A payment posted by another system is told to who asks again, under the same code."""
    with loaded_gateway(server, tmp_path) as gateway:
        key = gateway.run("key", "create", "clinic").stdout.strip()
        until(lambda: by_api(gateway, key)["outcome"] == "PENDING_PAYMENT")
        before, screen = by_api(gateway, key), by_ussd(gateway)
        assert "برقرار است" not in screen
        append(server, change(SOMEBODY, "active"))
        posted = time.monotonic()
        until(lambda: by_api(gateway, key)["outcome"] == "COVERED")
        by_api_after = time.monotonic() - posted
        until(lambda: "برقرار است" in by_ussd(gateway))
        print(f"shown by API after {by_api_after:.3f} s, ", end="")
        print(f"by USSD after {time.monotonic() - posted:.3f} s")
        after = by_api(gateway, key)
        assert after["valid_until"] == "2090-03-20"
        assert after["tracking_code"] == before["tracking_code"]
        assert code_in(by_ussd(gateway)) == code_in(screen)
        told = gateway.run("inquiry", before["tracking_code"]).stdout
        assert "COVERED" in told
        assert "PENDING" not in told
        until(lambda: samples(gateway).get('dargah_changes_total{what="written"}') == 1)
        until(lambda: samples(gateway)["dargah_changes_kept"] == 1)


def test_a_gateway_that_is_killed_loses_no_change(server: RunningRedis, tmp_path: Path) -> None:
    """A change that a gateway held when it was killed is applied by the next one."""
    with running_redis() as people:
        url = f"unix://{people.address.path}"
        state = f"unix://{server.address.path}"
        settings = f'[redis]\ncache_url = "{url}"\nstate_url = "{state}"\n{ANY_PORTS}'
        stranger(server).flushall()
        file = tmp_path / "people.csv"
        file.write_text(csv_of([line(SOMEBODY, "pending", "", updated_at="2020-01-01")]))
        with running_gateway(settings=settings, ends_with=-signal.SIGKILL) as gateway:
            assert gateway.run("load", str(file)).returncode == 0
            people.stop_answering()
            append(server, change(SOMEBODY, "active"))
            until(lambda: pending(server) == 1)
            os.kill(gateway.pid, signal.SIGKILL)
        people.answer_again()
        with running_gateway(settings=settings) as gateway:
            until(lambda: pending(server) == 0)
            assert "COVERED" in gateway.run("lookup", SOMEBODY).stdout


def pending(server: RunningRedis) -> int:
    """Changes that a gateway has taken and not acknowledged."""
    groups = stranger(server).xinfo_groups(STREAM)
    return int(groups[0]["pending"])


def test_what_is_late_and_what_is_bad_is_told(server: RunningRedis, tmp_path: Path) -> None:
    """/readyz and /metrics tell of changes that wait and are bad; people are answered meanwhile."""
    with loaded_gateway(server, tmp_path, "[changes]\nlate_after = 1.0\n") as gateway:
        other = stranger(server)
        until(lambda: components(gateway)[1]["changes"] == "ok")
        bad = append(server, change(SOMEBODY[:-1], "active"))
        until(lambda: 'dargah_changes_bad_total{field="national_id"}' in samples(gateway))
        shown = gateway.run("changes", "bad").stdout
        assert bad in shown
        assert "national_id" in shown
        assert SOMEBODY[:-1] not in shown
        assert "1 could not be read" in gateway.run("changes").stdout
        assert SOMEBODY[:-1] not in gateway.output.read_text()
        other.delete("{generations}")
        append(server, change(SOMEBODY, "active"))
        until(lambda: components(gateway)[1]["changes"].endswith(" s behind"))
        assert samples(gateway)["dargah_changes_lag_seconds"] > 1


@contextmanager
def alone(server: RunningRedis, folder: Path) -> Iterator[dict[str, str]]:
    """The environment of an operator without a gateway, with two people loaded."""
    stranger(server).flushall()
    file = folder / "settings.toml"
    file.write_text(settings_of(server))
    (folder / "people.csv").write_text(
        csv_of([line(d, "pending", "", updated_at="2020-01-01") for d in (SOMEBODY, OTHER)])
    )
    yield environment_of(folder / "data", file)


def test_changes_are_applied_without_a_gateway(server: RunningRedis, tmp_path: Path) -> None:
    """Who has the command line alone applies a file, twice without harm, and is told the counts."""
    with alone(server, tmp_path) as environment:
        file = tmp_path / "changes.csv"
        rows = [change(SOMEBODY, "active"), change(OTHER, "active"), change(OTHER, "inactive", 2)]
        file.write_text(HEADER + "\n" + "".join(",".join(row.values()) + "\n" for row in rows))
        early = dargah("apply", str(file), environment=environment)
        assert early.returncode == 1
        assert "no generation is loaded" in early.stderr
        assert not stranger(server).exists(STREAM)
        loaded = dargah("load", str(tmp_path / "people.csv"), environment=environment)
        assert loaded.returncode == 0, loaded.stderr
        done = dargah("apply", str(file), environment=environment)
        assert done.returncode == 0, done.stderr
        assert "3 changes:" in done.stdout
        assert "0 known already, 0 bad" in done.stdout
        assert "COVERED" in dargah("lookup", SOMEBODY, environment=environment).stdout
        again = dargah("apply", str(file), environment=environment)
        assert "0 applied, 1 older than what is known, 2 known already" in again.stdout
        assert "None waits" in dargah("changes", environment=environment).stdout


def test_json_lines_are_read_as_rows_are(server: RunningRedis, tmp_path: Path) -> None:
    """JSON lines are read, piped ones too; what is rejected is named by its line, never by ID."""
    with alone(server, tmp_path) as environment:
        assert dargah("load", str(tmp_path / "people.csv"), environment=environment).returncode == 0
        good = change(SOMEBODY, "active") | {"branch": 12}
        late = change(OTHER, "active") | {"valid_until": None}
        wrong = [
            "{",
            "[]",
            json.dumps(good | {"branch": True}),
            json.dumps({key: value for key, value in good.items() if key != "kind"}),
            json.dumps(good | {"status": "gone"}),
        ]
        lines = [json.dumps(good), *wrong, "", json.dumps(late)]
        file = tmp_path / "changes.jsonl"
        file.write_text("\n".join(lines) + "\n")
        done = dargah("apply", str(file), environment=environment)
        assert done.returncode == 1
        assert "2 changes: 2 applied" in done.stdout
        assert "5 rejected" in done.stdout
        rejects = (tmp_path / "changes.jsonl.rejects.csv").read_text()
        assert SOMEBODY not in rejects
        assert [row.split(",")[:2] for row in rejects.splitlines()[1:]] == [
            ["2", ""],
            ["3", ""],
            ["4", "branch"],
            ["5", "kind"],
            ["6", "status"],
        ]
        given = json.dumps(good | {"status": "inactive", "updated_at": "2021-01-01"})
        piped = dargah("apply", "-", environment=environment, given=given)
        assert "1 change: 0 applied, 1 older" in piped.stdout, piped.stderr
        assert not list((tmp_path / "data" / "spool").iterdir())


def test_a_file_is_left_to_the_gateways(server: RunningRedis, tmp_path: Path) -> None:
    """With --no-wait the changes are appended, and the running gateway applies them."""
    with loaded_gateway(server, tmp_path) as gateway:
        file = tmp_path / "changes.jsonl"
        file.write_text(json.dumps(change(SOMEBODY, "active")) + "\n")
        done = gateway.run("apply", "--no-wait", str(file))
        assert done.stdout == "1 change is in the stream.\n", done.stderr
        until(lambda: "COVERED" in gateway.run("lookup", SOMEBODY).stdout)
