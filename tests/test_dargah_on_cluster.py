"""The whole house on a real Cluster: everything that it keeps in Redis, and every command."""

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from api.keys import ELIGIBILITY, ApiKeys
from dargah.box_server import wait_for
from dargah.redis_box import ClusterBox, cluster_box
from dialogue.bundle import Bundle
from dialogue.notice import Notice
from dialogue.preferences import Preferences
from dialogue.published import Published
from eligibility.answer import Asker
from eligibility.cache import Cache
from eligibility.generations import Generations
from eligibility.ledger import Budget, Entry, Ledger, Opened
from eligibility.national_id import NationalId
from eligibility.person_store import Written, write_person
from eligibility.verdict import Kind, Outcome, Record, Status, Verdict
from smpp.pdu import Status as SmppStatus
from state.commands import Commands
from state.consumer import Link
from state.following import Following
from state.sessions import Beside, SessionStore
from state.store import open_own
from state.streams import Durability, Stream
from telecom.channel import Channel
from tests.change_lines import ends, feed_of, feeding, loads, nothing_waits, pays, people, told
from tests.change_lines import until as until_redis
from tests.gateway_process import ANY_PORTS, running_gateway
from tests.loading import ANY_AGE, NOW, covered, csv_of, load_text, national
from tests.operator_box import components, until
from tests.redis_cluster import store_of, tags_by_master, with_cluster
from tests.redis_server import RunningRedis
from tests.scripted_inquirer import COVERED
from tests.sms_line import LONG, Line, parts_of, running, sms


@pytest.fixture(scope="module")
def box() -> Iterator[ClusterBox]:
    """One Cluster for this file."""
    with cluster_box() as running_:
        yield running_


def test_people_are_loaded_changed_rolled_back_and_freed(box: ClusterBox) -> None:
    """A population lies on all servers, and each person alone can be changed."""

    async def test(store: Following) -> None:
        for count in (800, 900, 1000):
            await load_text(store, csv_of(covered(count)))
        cache = Cache(store, store, ANY_AGE)
        await cache.refresh()
        ids = [NationalId.parse(national(n)) for n in range(1, 1002)]
        told = await asyncio.gather(*(cache.verdict(one, NOW) for one in ids))
        outcomes = [verdict.outcome for verdict in told]
        assert outcomes == [Outcome.COVERED] * 1000 + [Outcome.NOT_FOUND]
        record = Record(Status.INACTIVE, None, Kind.MAIN, None, NOW)
        assert cache.current is not None
        written = await write_person(store, cache.current.layout, ids[0], record)
        assert written is Written.WRITTEN
        assert (await cache.verdict(ids[0], NOW)).outcome is Outcome.NOT_COVERED
        await Generations(store, store).roll_back()
        await cache.refresh()
        assert (await cache.verdict(ids[0], NOW)).outcome is Outcome.COVERED
        assert (await cache.verdict(ids[950], NOW)).outcome is Outcome.NOT_FOUND
        # The first of the three was freed, on every server.
        sizes = [await one.send("DBSIZE") for one in store.masters.values()]
        assert sum(sizes) < 8 + 9 + 2 + 12

    with_cluster(box, test)


def test_one_server_that_went_back_gets_its_changes_again(box: ClusterBox) -> None:
    """After a crash of any one server, which comes up from its last snapshot, no change misses."""

    async def test(store: Following) -> None:
        ids = [national(n) for n in range(1, 901)]
        await loads(store, csv_of(people(900)))

        async def link() -> Link:
            return await open_own(store, name="reader", timeout=3.0)

        feed = feed_of(link, store)
        async with feeding(feed):
            await pays(store, ids[0], 1)
            await until_redis(lambda: nothing_waits(store))
            await feed.tend()
            kept = {place: await _dumped(one) for place, one in store.masters.items()}
            for one in ids:
                await ends(store, one, 0.5)
            await until_redis(lambda: nothing_waits(store))
            await feed.tend()
            for place, master in store.masters.items():
                for key, value in kept[place].items():
                    await master.send("RESTORE", key, 0, value, "REPLACE")
                await feed.tend()
                said = await asyncio.gather(*(told(store, one) for one in ids))
                assert {verdict.outcome for verdict in said} == {Outcome.NOT_COVERED}

    with_cluster(box, test)


async def _dumped(master: Commands) -> dict[bytes, bytes]:
    """What a snapshot of one server has of the cache."""
    keys = await master.send("KEYS", "[pf]:*")
    return {key: await master.send("DUMP", key) for key in keys}


def test_a_load_waits_for_its_replicas(box: ClusterBox) -> None:
    """A new generation answers only when replicas too have all its people."""

    async def test(store: Following) -> None:
        slow = next(one for one in box.servers if one.in_step)
        slow.stop_answering()
        loading = asyncio.create_task(load_text(store, csv_of(covered(600))))
        try:
            # Everything else is done within milliseconds.
            done, _ = await asyncio.wait([loading], timeout=1.0)
            assert not done
            assert await Generations(store, store).current() is None
        finally:
            slow.answer_again()
        loaded, _ = await loading
        assert loaded.generation.people == 600

    with_cluster(box, test)


def test_conversations_codes_versions_choices_and_keys(box: ClusterBox) -> None:
    """Whatever is remembered of a caller, an author or a provider is, wherever it lies."""

    async def test(store: Following) -> None:
        for number in range(20):
            await _sessions(store, f"ussd:{{{number}}}:session", f"ussd:{{{number}}}:resume")
            await _ledger(store, f"asker{number}", f"{number:011}")
            preferences = Preferences(store, kept_for=timedelta(days=1))
            await preferences.choose(Asker(f"token{number}"), "en")
            assert await preferences.language(Asker(f"token{number}")) == "en"
        published = Published(store)
        first, second = (Bundle({"dialogue/tree.toml": text}) for text in ("1", "2"))
        assert await published.publish(first, "Sara", NOW)
        assert await published.publish(second, "Sara", NOW)
        assert await published.go_back("Sara", NOW) == first.digest
        await published.set_notice(Notice({"fa": "x"}, NOW, "Sara", NOW))
        assert (await published.now()).notice is not None
        assert await published.clear_notice("Sara", NOW)
        assert len(await published.kept()) == 2
        assert len(await published.changes()) == 5
        keys = ApiKeys(store)
        made = [
            await keys.create(f"k{n}", [ELIGIBILITY], lambda size, n=n: bytes([n]) * size, NOW)  # type: ignore[misc]
            for n in range(6)
        ]
        assert len(await keys.list()) == 6
        for key in made:
            found = await keys.check(f"Bearer {key}")
            assert found is not None
            assert await keys.revoke(found.id, NOW)

    with_cluster(box, test)


async def _sessions(store: Following, key: str, beside: str) -> None:
    sessions = SessionStore(store)
    assert await sessions.save(key, 0, b"one", 60)
    held = await sessions.load(key)
    assert held is not None
    assert not await sessions.save(key, 7, b"two", 60)
    kept = Beside(beside, b"resume", 60)
    assert await sessions.save(key, held.version, b"two", 60, kept)
    assert await sessions.beside(beside) == b"resume"
    assert await sessions.create_or_replace(key, b"three", 60)
    await sessions.drop(key)
    assert await sessions.load(key) is None


async def _ledger(store: Following, asker: str, code: str) -> None:
    hour = timedelta(hours=1)
    ledger = Ledger(store, repeat_for=hour, retry_for=hour, keep_for=hour)
    for repeat in (False, True):
        opened = await ledger.open(asker, "person", code, Budget(5, 5), NOW, retry_key="again")
        assert opened == Opened(code, repeat)
    verdict = Verdict(Outcome.COVERED, as_of=NOW)
    entry = Entry(code, asker, "person", Channel.USSD, verdict, 1, NOW)
    assert await ledger.record(entry)
    await ledger.rename(asker, "person", code, retry_key="again")
    kept = await ledger.find(code)
    assert kept is not None
    assert kept.outcome is Outcome.COVERED


def test_streams_keep_move_and_wake(box: ClusterBox) -> None:
    """Messages are put safely, read, moved to another stream and done, on whichever server."""

    async def test(store: Following) -> None:
        for tag in tags_by_master(box).values():
            safe = Durability(replicas=1, within=2.0)
            into, out = (
                Stream(
                    store, f"{{{tag}}}:{name}", group="g", consumer="c", limit=9, durability=safe
                )
                for name in ("in", "out")
            )
            await into.prepare()
            await out.prepare()
            assert await into.put(b"a", mark=f"{{{tag}}}:seen", mark_seconds=60)
            assert not await into.put(b"a", mark=f"{{{tag}}}:seen", mark_seconds=60)
            own = await open_own(store, name="reader", timeout=5)
            (entry,) = await into.read(own, 10, 1.0)
            await into.hold([entry.id])
            assert await into.move(entry.id, out, b"b")
            assert await into.length() == 0
            (left,) = await out.read(own, 10, 1.0)
            assert left.values == (b"b",)
            await out.hand_back([left.id], 10)
            (claimed,) = await out.claim(1, 10)
            assert await out.done(claimed.id)
            await out.wake(await out.reader(own))
            await out.forget_idle(0)
            await own.close()

    with_cluster(box, test)


class ClusterLine(Line):
    """A line whose consumers' connections go where their stream is."""

    async def link(self, name: str) -> Link:  # type: ignore[override]
        """A connection of a consumer's own."""
        assert isinstance(self.redis, Following)
        return await open_own(self.redis, name=name, timeout=3.0)


def test_texts_are_answered(box: ClusterBox) -> None:
    """Texts to several operators, whole and in parts, are kept on replicas too and answered."""

    async def test(store: Following) -> None:
        line = ClusterLine(RunningRedis(store.address, 0), store)  # type: ignore[arg-type]
        operators = tuple(tags_by_master(box).values())
        service = line.sms(operators=operators, replicas=1, replicas_within=2.0)
        async with running(service):
            for operator in operators:
                assert await service.received(operator, sms(COVERED)) == SmppStatus.OK
                for part in reversed(parts_of(LONG, 7)):
                    assert await service.received(operator, part) == SmppStatus.OK
            await line.network.has(2 * len(operators))
            first = parts_of(LONG, 8)[0]
            for operator in operators:
                assert await service.received(operator, first) == SmppStatus.OK
            line.later(301)
            swept = [await one.inbox.sweep() for one in service._operators.values()]
            assert swept == [1] * len(operators)
            await line.counted.has("in incomplete", len(operators))

    with_cluster(box, test)


def test_every_command_works_as_on_one_redis(box: ClusterBox, tmp_path: Path) -> None:
    """An operator loads, serves, publishes and asks as before; a lost server is named."""

    async def emptied() -> None:
        store = await store_of(box)
        await asyncio.gather(*(one.send("FLUSHALL") for one in store.masters.values()))
        await store.close()

    asyncio.run(emptied())
    people = tmp_path / "people.csv"
    people.write_text(csv_of(covered(300)))
    settings = f'[redis]\ncache_url = "{box.url}"\nstate_url = "{box.url}"\n{ANY_PORTS}'
    with running_gateway(settings=settings) as gateway:
        for _ in range(2):
            loaded = gateway.run("load", str(people))
            assert loaded.returncode == 0, loaded.stderr
        assert gateway.run("rollback").returncode == 0
        assert gateway.run("generations").stdout.count("people.csv") == 2
        told = gateway.run("lookup", "--json", national(1), national(999))
        outcomes = [json.loads(line)["outcome"] for line in told.stdout.splitlines()]
        assert outcomes == ["COVERED", "NOT_FOUND"]
        until(lambda: components(gateway)[0] == 200)
        dialled = gateway.run("dial", f"*4*1420*1*{national(2)}#", "--msisdn", "09120000001")
        (code,) = re.findall(r"\b[1-9]\d{10}\b", dialled.stdout)
        assert "COVERED" in gateway.run("inquiry", code).stdout
        noticed = gateway.run("notice", "set", "امروز تعطیلیم.", "--until", "1h", "--by", "Sara")
        assert noticed.returncode == 0, noticed.stderr
        assert gateway.run("key", "create", "pharmacy").returncode == 0
        until(lambda: components(gateway)[0] == 200)
        victim = box.masters()[0]
        victim.stop_answering()
        try:
            seen: dict[str, str] = {}

            def named() -> bool:
                seen.update(components(gateway)[1])
                return str(victim.port) in seen["state"]

            until(named)
            # People are answered by its replica.
            assert seen["cache"] == "ok"
            assert str(victim.port) in seen["cache servers"]
            wait_for(lambda: victim not in box.masters(), "another master")
            until(lambda: components(gateway)[0] == 200)
        finally:
            victim.answer_again()
