"""The commands as an operator types them, on real processes and a real Redis."""

import gzip
import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dargah.running import running_on
from eligibility.tracking_code import is_code
from tests.gateway_process import (
    ANY_PORTS,
    GatewayProcess,
    dargah,
    environment_of,
    running_gateway,
)

HEADER = "national_id,status,valid_until,kind,branch,updated_at\n"
COVERED = "0012345679"
ROW = f"{COVERED},active,2090-03-20,main,7,2026-01-01T00:00:00+03:30\n"
GONE = "1234567891"
UNKNOWN = "0076229645"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An operator with an empty data folder and any free ports."""
    settings = tmp_path / "settings.toml"
    settings.write_text(ANY_PORTS)
    return environment_of(tmp_path / "data", settings)


def csv(tmp_path: Path, *rows: str) -> str:
    """A CSV with these rows."""
    path = tmp_path / "people.csv"
    path.write_text(HEADER + "".join(rows))
    return str(path)


def redis_processes(folder: Path) -> list[int]:
    """The processes that run in a data folder: keepers and servers."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            here = (process / "cwd").readlink()
            title = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if here.is_relative_to(folder) and title:
            found.append(int(process.name))
    return found


def soon(condition: Callable[[], bool]) -> bool:
    """Whether something about other processes comes true within twenty seconds."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def get(url: str, path: str) -> tuple[int, bytes]:
    """One GET."""
    place = urlsplit(url)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_the_demo_plays_every_outcome_on_every_route(environment: dict[str, str]) -> None:
    """`demo --once` shows each of the six outcomes on each route, and they agree."""
    done = dargah("demo", "--once", "--people", "2000", environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All routes agree" in done.stdout
    for outcome in (
        "COVERED",
        "NOT_COVERED",
        "PENDING_PAYMENT",
        "NOT_FOUND",
        "INVALID_ID",
        "CANNOT_CHECK",
    ):
        assert f"══ {outcome}" in done.stdout
        assert f"outcome: {outcome}" in done.stdout
    for route in ("USSD over HTTP", "USSD over SMPP", "SMS", "telephone", "provider API"):
        assert done.stdout.count(f"── {route}") >= 8
    codes = re.findall(r"(?<!\d)\d{11}(?!\d)", done.stdout)
    assert len(codes) >= 7 * 5
    assert all(map(is_code, codes))
    assert not re.search(r"(?<!\d)\d{10}(?!\d)", done.stdout)


def test_a_population_is_loaded_looked_up_and_rolled_back(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    """An operator loads, looks up in the order asked, loads again, and goes back."""
    assert dargah("lookup", COVERED, environment=environment).returncode == 1
    loaded = dargah("load", csv(tmp_path, ROW), environment=environment)
    assert loaded.returncode == 0, loaded.stderr
    asked = f"{UNKNOWN}\n{COVERED}\nnonsense\n۰۰۱۲۳۴۵۶۷۹\n"
    found = dargah("lookup", "--json", "-", environment=environment, given=asked)
    outcomes = [json.loads(line)["outcome"] for line in found.stdout.splitlines()]
    assert outcomes == ["NOT_FOUND", "COVERED", "INVALID_ID", "COVERED"]
    other = ROW.replace(COVERED, GONE)
    refused = dargah("load", csv(tmp_path, other), environment=environment)
    assert refused.returncode == 1
    assert "COVERED to NOT_FOUND: 50.00%" in refused.stderr
    again = dargah("load", "--accept", csv(tmp_path, other), environment=environment)
    assert again.returncode == 0
    assert "100.00% of the people are told something else" in again.stdout
    assert "NOT_FOUND" in dargah("lookup", COVERED, environment=environment).stdout
    listed = dargah("generations", environment=environment).stdout
    assert listed.count("people.csv") == 2
    assert dargah("rollback", environment=environment).returncode == 0
    assert "COVERED" in dargah("lookup", COVERED, environment=environment).stdout
    assert "NOT_FOUND" in dargah("lookup", GONE, environment=environment).stdout


def test_a_gateway_follows_a_load_made_beside_it(tmp_path: Path) -> None:
    """A second command finds the running Redis, and the gateway answers from what it loads."""
    with running_gateway() as gateway:
        status, body = get(gateway.http, "/readyz")
        assert (status, json.loads(body)["ready"]) == (503, False)
        assert get(gateway.http, "/healthz")[0] == 200
        before = dial(gateway, COVERED)
        assert "اکنون پاسخ ممکن نیست" in before
        assert gateway.run("load", csv(tmp_path, ROW)).returncode == 0
        assert soon(lambda: get(gateway.http, "/readyz")[0] == 200)
        screen = dial(gateway, COVERED)
        assert "اعتبار درمان تا ۱۴۶۹/۰۱/۰۱ برقرار است." in screen
        code = re.findall(r"\d{11}", screen)[0]
        told = gateway.run("inquiry", code)
        assert "outcome    COVERED" in told.stdout
        other = gateway.run("inquiry", code, "--msisdn", "09351112233")
        assert "answered" in other.stdout
        assert "COVERED" not in other.stdout
        assert gateway.run("inquiry", "12345678901").returncode == 1


def dial(gateway: GatewayProcess, national_id: str) -> str:
    """What a phone shows after the whole was dialled."""
    done = gateway.run("dial", f"*4*1420*1*{national_id}#", "--msisdn", "09120000001")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_handset_goes_step_by_step(tmp_path: Path) -> None:
    """`dial` shows a screen, takes an answer, and goes on until the end."""
    with running_gateway() as gateway:
        assert gateway.run("load", csv(tmp_path, ROW)).returncode == 0
        assert soon(lambda: get(gateway.http, "/readyz")[0] == 200)
        done = gateway.run("dial", "*1666#", given=f"9\n1\n1\n{COVERED}\n")
        assert "in force until 1469/01/01" in done.stdout
        assert done.stdout.count("┌") == 5
        # This phone chose English; another one did not.
        assert "This code is not in use" in gateway.run("dial", "*99#").stdout
        unknown = gateway.run("dial", "*99#", "--msisdn", "09120000001")
        assert "این کد فعال نیست" in unknown.stdout


def test_two_gateways_may_share_a_data_folder(tmp_path: Path) -> None:
    """A second gateway on a data folder leaves the first one where handsets find it."""
    data = tmp_path / "data"
    with running_gateway(folder=data) as first:
        with running_gateway(folder=data) as second:
            assert {first.http, second.http} == {each.http for each in running_on(data)}
        assert "┌" in first.run("dial", "*4*1420#").stdout


def test_a_second_demo_points_to_the_first() -> None:
    """Another demo on the same folder says that one runs, and where."""
    with running_gateway("demo", "--people", "200") as gateway:
        again = gateway.run("demo", "--people", "200")
        assert again.returncode == 1
        assert gateway.http in again.stderr
        assert "DARGAH_DATA=" in gateway.run("lookup", COVERED).stderr


def test_a_stop_answers_what_is_on_its_way(tmp_path: Path) -> None:
    """SIGTERM while clients keep asking on open connections: every request sent is answered."""
    with running_gateway() as gateway:
        place = urlsplit(gateway.http)
        connections = []
        for _ in range(20):
            connection = HTTPConnection(place.hostname or "", place.port, timeout=20)
            connection.request("GET", "/healthz")
            assert connection.getresponse().read()
            connections.append(connection)
        os.kill(gateway.pid, signal.SIGTERM)
        assert soon(lambda: b"signal_received" in gateway.output.read_bytes())
        for connection in connections:
            assert connection.sock is not None
            connection.request("GET", "/healthz")
            answer = connection.getresponse()
            assert (answer.status, answer.getheader("Connection")) == (200, "close")
            answer.read()
            connection.close()
        state = Path(f"/proc/{gateway.pid}/stat")
        assert soon(lambda: state.read_text().rpartition(")")[2].split()[0] == "Z")


def test_a_part_of_the_gateway_serves_alone() -> None:
    """`serve --only http` has no /ussd, and an unknown part is refused in a sentence."""
    with running_gateway("serve", "--only", "http") as gateway:
        assert get(gateway.http, "/ussd")[0] == 404
        assert get(gateway.http, "/v1/eligibility")[0] == 405
        refused = gateway.run("serve", "--only", "http,fax")
        assert refused.returncode == 1
        assert "'fax'" in refused.stderr


def test_keys_are_made_listed_and_revoked(environment: dict[str, str]) -> None:
    """A key is shown once, listed without its secret, and refused after it is revoked."""
    key = dargah("key", "create", "Razi pharmacy", environment=environment).stdout.strip()
    assert re.fullmatch(r"dg_[0-9a-f]{8}_[\w-]{43}", key)
    listed = dargah("key", "list", environment=environment).stdout
    assert "Razi pharmacy" in listed
    assert key[12:] not in listed
    assert dargah("key", "revoke", key[3:11], environment=environment).returncode == 0
    assert "revoked" in dargah("key", "list", environment=environment).stdout
    assert dargah("key", "revoke", "00000000", environment=environment).returncode == 1


def test_a_killed_gateway_leaves_nothing_behind_and_loses_nothing(tmp_path: Path) -> None:
    """After kill -9 of the gateway Redis ends by itself, and the people are still there."""
    data = tmp_path / "data"
    with running_gateway(folder=data, ends_with=-signal.SIGKILL) as gateway:
        assert gateway.run("load", csv(tmp_path, ROW)).returncode == 0
        assert len(redis_processes(data)) >= 2
        os.kill(gateway.pid, signal.SIGKILL)
    assert soon(lambda: not redis_processes(data))
    with running_gateway(folder=data) as gateway:
        assert get(gateway.http, "/readyz")[0] == 200
    assert soon(lambda: not redis_processes(data))


@pytest.mark.parametrize("door", ["http", "metrics", "ivr"])
def test_a_busy_port_is_one_clear_line(tmp_path: Path, door: str) -> None:
    """A port that another program has is named with its setting, and nothing stays behind."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = tmp_path / "s.toml"
        ports = {"http": 0, "metrics": 0, "ivr": 0} | {door: port}
        tables = (f"[{name}]\nport = {number}\n" for name, number in ports.items())
        settings.write_text("".join(tables))
        data = tmp_path / "data"
        done = dargah("serve", environment=environment_of(data, settings))
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith("dargah: ")]
    place = f"{settings}:{2 * [*ports].index(door) + 2}"
    assert lines == [
        f"dargah: {place}: {door}.port: cannot listen on 127.0.0.1 port {port}: "
        f"Address already in use; set another {door}.port, or stop what listens there."
    ]
    assert "Traceback" not in done.stderr
    assert soon(lambda: not redis_processes(data))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ('[http]\nhost = "0.0.0.0"\nbehind_proxy = true\n', "s.toml:2: http.host: /ussd on"),
        (
            '[http]\nhost = "0.0.0.0"\n[ussd]\nnetworks = ["10.0.0.0/8"]\n',
            "s.toml:2: http.host: the API on",
        ),
        ('[metrics]\nhost = "0.0.0.0"\n', "s.toml:2: metrics.host: metrics on"),
        ('[ussd]\nnetworks = ["10.0.0.0/99"]\n', "s.toml:2: ussd.networks: "),
        ("[http]\nprot = 1\n", "s.toml:2: unknown key 'prot'"),
        ('[dialogue]\ntree = "/none"\n', "/none/tree.toml: cannot be read"),
        ('[ivr]\nentry = "*9*9"\n', "s.toml:2: ivr.entry: the tree has no entry '*9*9'; it has"),
        ("[http]\nport = 9420\n", "s.toml:2: http.port: 9420 is metrics.port too; set another."),
        (
            '[http]\ntls_certificate = "/none.pem"\ntls_key = "/none.key"\n',
            "s.toml:2: http.tls_certificate: /none.pem cannot be read",
        ),
        ('[redis]\ncache_url = "http://localhost"\n', "s.toml:2: redis.cache_url: a URL that be"),
        ("[eligibility]\nfresh_for = 800\n", "s.toml:2: eligibility.fresh_for: fresh_for, 800 h"),
    ],
)
def test_settings_that_do_not_hold_stop_the_start(tmp_path: Path, settings: str, said: str) -> None:
    """`serve` and `check` both refuse such settings in one line with file and line; exit 1."""
    file = tmp_path / "s.toml"
    file.write_text(settings)
    environment = environment_of(tmp_path / "data", file)
    for command in ("serve", "check"):
        done = dargah(command, environment=environment)
        assert done.returncode == 1
        assert said in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_our_own_settings_tree_and_phrases_hold(environment: dict[str, str]) -> None:
    """`check` finds nothing wrong with what Dargah ships, and can show every screen."""
    done = dargah("check", "--screens", environment=environment)
    assert done.returncode == 0, done.stdout
    assert "hold" in done.stdout
    assert re.search(r"^Note: \d+ recordings are missing in \S+/prompts: en/pause, ", done.stdout)
    assert done.stdout.count("of 160 octets") > 50


def test_a_bad_file_is_refused_in_a_sentence(tmp_path: Path, environment: dict[str, str]) -> None:
    """A load that is refused says why in a sentence, and what answered goes on answering."""
    assert dargah("load", csv(tmp_path, ROW), environment=environment).returncode == 0
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress((HEADER + ROW * 10_000).encode())[:-30])
    missing = tmp_path / "missing.csv"
    missing.write_text("national_id,status\n")
    broken = tmp_path / "broken.csv"
    broken.write_text(HEADER + ROW + "12,active,,main,1,2026-01-01\n")
    for path in (cut, missing, broken, tmp_path / "none.csv"):
        done = dargah("load", str(path), environment=environment)
        assert done.returncode == 1, path.name
        assert "Traceback" not in done.stderr
        assert done.stderr.startswith("dargah: ")
    assert "COVERED" in dargah("lookup", COVERED, environment=environment).stdout


def test_the_bench_prints_its_ratios(environment: dict[str, str]) -> None:
    """`bench cache` measures itself and its yardsticks in one run, loads and a restart besides."""
    done = dargah(
        "bench", "cache", "--people", "2000", "--seconds", "0.2", "--json", environment=environment
    )
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert measured["people"] == 2000
    for lines in (measured["lines"], measured["yardsticks"]["redis_asyncio"]):
        assert [line["in_flight"] for line in lines] == [1, 50, 500]
        assert all(line["per_second"] > 0 for line in lines)
    assert [rate["offered"] for rate in measured["rates"]] == [700, 7_000, 30_000]
    assert all(rate["unanswered"] == 0 for rate in [*measured["rates"], measured["meanwhile"]])
    assert measured["meanwhile"]["answered"] > 0
    for load in (measured["first_load"], measured["second_load"]):
        assert sum(load["stages"].values()) > 0
    assert measured["restart"] > 0
    assert not list(Path(environment["DARGAH_DATA"]).glob("bench-*"))


def test_wrong_usage_is_told(environment: dict[str, str]) -> None:
    """No command, or one that does not exist, shows the usage and exits with 2."""
    assert dargah(environment=environment).returncode == 2
    for words in (("sing",), ("load",), ("key",)):
        with_usage = dargah(*words, environment=environment)
        assert with_usage.returncode == 2
        assert "usage:" in with_usage.stderr


def test_a_file_cut_short_replaces_nobody(tmp_path: Path, environment: dict[str, str]) -> None:
    """Half a file is refused with its row, fewer people with both numbers, unless accepted."""
    whole, half, fewer = (tmp_path / name for name in ("p.csv", "half.csv", "fewer.csv"))
    assert dargah("population", "2000", str(whole), environment=environment).returncode == 0
    lines = whole.read_text().splitlines(keepends=True)
    assert dargah("load", str(whole), environment=environment).returncode == 0
    half.write_text("".join(lines[:1001]) + lines[1001][:30])
    refused = dargah("load", str(half), environment=environment)
    assert refused.returncode == 1
    assert "ends in the middle of row 1002: it was cut short" in refused.stderr
    fewer.write_text("".join(lines[:1001]))
    refused = dargah("load", str(fewer), environment=environment)
    assert refused.returncode == 1
    assert re.search(r"has at most 1,000 people where generation 1\b.* has 2,000", refused.stderr)
    assert dargah("load", "--accept", str(fewer), environment=environment).returncode == 0
    listed = dargah("generations", environment=environment).stdout.splitlines()
    assert listed[2].endswith("<- answers")
    assert "Against generation 1, " in listed[3]
    assert re.search(
        r"^ +Accepted.*: far fewer people and far more changes than are usual", listed[4]
    )
    assert len(listed) == 5
