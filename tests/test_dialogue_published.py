"""Versions of the dialogue that are published while people talk."""

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest

from config.errors import ConfigError
from dialogue.bundle import Bundle
from dialogue.live import MOST_HELD
from dialogue.published import KEY, MOST_KEPT, NotPublished, Published
from ivr.version import SpokenVersion
from state.commands import Arg, Reply
from state.errors import Unavailable
from state.link import Redis
from tests.dialogue_editions import BUILD, NOON, OWN, SHIPPED, TITLE, live, notice, titled
from tests.redis_server import FailsAt, RunningRedis
from tests.scripted_inquirer import COVERED
from tests.ussd_line import ANSWER, FA, MENU, Line, on
from ussd.sessions import UssdReply

A, B = titled("الف 1420"), titled("ب 1420")
MENU_A, MENU_B = MENU.replace(TITLE, "الف 1420"), MENU.replace(TITLE, "ب 1420")


def test_processes_follow(server: RunningRedis) -> None:
    """What one process publishes the others speak at their next look, and back again."""

    async def play(redis: Redis) -> None:
        one, other = live(redis), live(redis)
        published = Published(redis)
        for versions in (one, other):
            await versions.refresh()
            assert versions.current is OWN
        assert await published.publish(A, "Sara", NOON)
        assert not await published.publish(A, "Sara", NOON)
        assert await published.publish(B, "Reza", NOON)
        for versions in (one, other):
            await versions.refresh()
            assert versions.current.digest == B.digest
            session = f"of {id(versions)}"
            line = Line(redis, session_id=session, versions=versions)
            assert (await line.send("")).text == MENU_B
        assert await published.go_back("Sara", NOON) == A.digest
        await one.refresh()
        assert one.current.digest == A.digest
        assert await published.go_back("Sara", NOON) == ""
        await one.refresh()
        assert one.current is OWN
        with pytest.raises(NotPublished):
            await published.go_back("Sara", NOON)
        assert await published.go_back("Sara", NOON, B.digest) == B.digest
        with pytest.raises(NotPublished):
            await published.go_back("Sara", NOON, "f" * 16)
        assert [(c.did, c.digest, c.by) for c in reversed(await published.changes())] == [
            ("published", A.digest, "Sara"),
            ("published", B.digest, "Reza"),
            ("went back", A.digest, "Sara"),
            ("went back", "", "Sara"),
            ("went back", B.digest, "Sara"),
        ]
        assert [(f.digest, f.by, f.before) for f in await published.kept()] == [
            (B.digest, "Reza", A.digest),
            (A.digest, "Sara", ""),
        ]

    on(server, play)


def test_the_guide_is_part_of_a_version(server: RunningRedis) -> None:
    """A topic that staff have changed is read, and heard, from what was published."""
    name, title = "guide/premium_list.toml", 'title = "ارسال لیست بیمه"'
    text = SHIPPED.files[name]
    assert title in text
    changed = replace(
        SHIPPED, files={**SHIPPED.files, name: text.replace(title, 'title = "لیست ماهانه"')}
    )

    async def play(redis: Redis) -> None:
        versions = live(redis)
        await Published(redis).publish(changed, "Sara", NOON)
        await versions.refresh()
        assert versions.current.digest == changed.digest
        seen = (await Line(redis, versions=versions).type("3", "1")).text
        assert "1 لیست ماهانه" in seen
        spoken = versions.current.voices["fa"].phrases
        assert any(
            part.clip == "guide/premium_list" for one in spoken.values() for part in one.parts
        )

    on(server, play)


def test_a_guide_that_does_not_fit_is_refused() -> None:
    """A topic over its pages is no version, though its own process might have served it."""
    name = "guide/premium_list.toml"
    text = SHIPPED.files[name].replace('sms = """', 'sms = """' + "ا" * 400, 1)
    assert text != SHIPPED.files[name]
    with pytest.raises(ConfigError, match="premium_list"):
        BUILD(replace(SHIPPED, files={**SHIPPED.files, name: text}))


def test_in_flight(server: RunningRedis) -> None:
    """Who is in the middle of it finishes on the words that they began with, whoever answers."""

    async def play(redis: Redis) -> None:
        published, versions = Published(redis), live(redis)
        begun_on_own = Line(redis, session_id="own", versions=versions)
        await begun_on_own.send("")
        longer = FA["ask_id"]
        changed = replace(
            A, files={**A.files, "phrases/fa.toml": A.files["phrases/fa.toml"].replace(longer, "؟")}
        )
        await published.publish(changed, "Sara", NOON)
        await versions.refresh()
        begun_on_a = Line(redis, session_id="a", versions=versions)
        assert (await begun_on_a.send("")).text == MENU_A
        await published.publish(B, "Sara", NOON)
        await versions.refresh()
        assert (await Line(redis, session_id="b", versions=versions).send("")).text == MENU_B
        assert (await begun_on_own.send("1")).text == FA["ask_id"]
        assert (await begun_on_a.send("1")).text == "؟"
        # Another process, which never had that version, fetches it.
        elsewhere = live(redis)
        await elsewhere.refresh()
        lines = [Line(redis, session_id="a", versions=elsewhere) for _ in range(2)]
        assert await lines[0].send(f"1*{COVERED}") == UssdReply(ANSWER, more=False)

    on(server, play)


def test_a_version_that_nobody_knows(server: RunningRedis) -> None:
    """A conversation on a version that is forgotten everywhere is told to dial again."""

    async def play(redis: Redis) -> None:
        published, versions = Published(redis), live(redis)
        await published.publish(A, "Sara", NOON)
        await versions.refresh()
        await Line(redis, versions=versions).send("")
        await redis.send("DEL", KEY)
        reply = await Line(redis, versions=live(redis)).send("1")
        assert reply == UssdReply(FA["expired"], more=False)

    on(server, play)


def _broken(name: str, text: str) -> Bundle:
    return replace(SHIPPED, files={**SHIPPED.files, name: text})


@pytest.mark.parametrize(
    "bundle",
    [
        _broken("dialogue/tree.toml", "languages = ["),
        _broken(
            "dialogue/tree.toml", SHIPPED.files["dialogue/tree.toml"].replace('"ask_id"', '"x"')
        ),
        _broken("phrases/fa.toml", SHIPPED.files["phrases/fa.toml"].replace("{code}", "{kode}")),
        _broken("voice/fa.toml", ""),
        Bundle({k: v for k, v in SHIPPED.files.items() if k != "phrases/en.toml"}),
        Bundle({k: v for k, v in SHIPPED.files.items() if not k.startswith("voice/")}),
        Bundle({k: v for k, v in SHIPPED.files.items() if k != "dialogue/tree.toml"}),
        _broken("phrases/fa.toml", "x" * (2 << 20)),
    ],
)
def test_a_broken_bundle(
    server: RunningRedis, bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    """A version that does not hold leaves the one in service, and is complained of once."""

    async def play(redis: Redis) -> None:
        published, versions = Published(redis), live(redis)
        await published.publish(A, "Sara", NOON)
        await versions.refresh()
        await published.publish(bundle, "Sara", NOON)
        for _ in range(3):
            await versions.refresh()
            assert versions.current.digest == A.digest
        assert await versions.of(bundle.digest) is None
        await published.publish(B, "Sara", NOON)
        await versions.refresh()
        assert versions.current.digest == B.digest

    on(server, play)
    assert capsys.readouterr().out.count("dialogue_refused") == 1


@pytest.mark.parametrize("again", ["published", "gone back to"])
def test_a_refused_version_is_tried_again(server: RunningRedis, again: str) -> None:
    """What a process could not build it tries once more when that is put in service again."""

    async def play(redis: Redis) -> None:
        ready = False

        def build(bundle: Bundle) -> SpokenVersion:
            if bundle.digest == B.digest and not ready:
                raise ConfigError("not here, not now.")
            return BUILD(bundle)

        published, versions = Published(redis), live(redis, build=build)
        await published.publish(A, "Sara", NOON)
        await published.publish(B, "Sara", NOON)
        await versions.refresh()
        ready = True
        await versions.refresh()
        assert versions.current is versions.own
        if again == "published":
            assert not await published.publish(B, "Sara", NOON)
        else:
            await published.go_back("Sara", NOON)
            await published.go_back("Sara", NOON, B.digest)
        await versions.refresh()
        assert versions.current.digest == B.digest
        assert [change.did for change in await published.changes()].count("published") == 2

    on(server, play)


def test_publishing_again_mends_what_is_kept(server: RunningRedis) -> None:
    """A version whose files were lost in Redis is whole again once it is published again."""

    async def play(redis: Redis) -> None:
        published, versions = Published(redis), live(redis)
        await published.publish(A, "Sara", NOON)
        await redis.send("HSET", KEY, f"bundle:{A.digest}", "garbage")
        await versions.refresh()
        assert versions.current is versions.own
        await published.publish(A, "Sara", NOON)
        await versions.refresh()
        assert versions.current.digest == A.digest

    on(server, play)


@pytest.mark.parametrize(
    "spoil",
    [
        ["HSET", KEY, f"bundle:{B.digest}", "garbage"],
        ["HSET", KEY, f"bundle:{B.digest}", A.pack()],
        ["HDEL", KEY, f"bundle:{B.digest}"],
        ["HSET", KEY, "current", b"\xff\x00"],
        ["HSET", KEY, "notice", b"{"],
        ["HSET", KEY, "notice", json.dumps({"texts": {"fa": "a\nb"}})],
    ],
)
def test_what_somebody_else_wrote(server: RunningRedis, spoil: list[str | bytes]) -> None:
    """Whatever is written over what was published, the version in service goes on."""

    async def play(redis: Redis) -> None:
        published, versions = Published(redis), live(redis)
        await published.publish(A, "Sara", NOON)
        await versions.refresh()
        if "notice" not in spoil:
            await published.publish(B, "Sara", NOON)
        await redis.send(*spoil)
        for _ in range(2):
            await versions.refresh()
            assert versions.current.digest == A.digest
            assert versions.notice() is None

    on(server, play)


def test_redis_fails_anywhere(server: RunningRedis) -> None:
    """Whichever call fails, versions stay whole, and the next look finds what was missed."""

    async def play(redis: Redis) -> None:
        for n in count(1):
            await redis.send("FLUSHALL")
            await Published(redis).publish(A, "Sara", NOON)
            failing = FailsAt(redis, n)
            published, versions = Published(failing), live(failing)
            try:
                await versions.refresh()
                await published.publish(B, "Sara", NOON)
                await versions.refresh()
                await published.go_back("Sara", NOON)
                await versions.refresh()
                await published.set_notice(notice("خبر", NOON + timedelta(hours=1)))
                await versions.refresh()
            except Unavailable:
                assert versions.current.digest in (OWN.digest, A.digest, B.digest)
            for _ in range(2):
                with suppress(Unavailable):
                    await versions.refresh()
            now = await Published(redis).now()
            assert versions.current.digest == now.digest
            assert versions.notice() == now.notice
            if not failing.tripped:
                break
        assert n > 8

    on(server, play)


def test_a_phone_while_its_version_cannot_be_fetched(server: RunningRedis) -> None:
    """Where the version of a conversation cannot be fetched, the person reads a true sentence."""

    async def play(redis: Redis) -> None:
        await Published(redis).publish(A, "Sara", NOON)
        first = live(redis)
        await first.refresh()
        for n in count(1):
            session = f"fails at {n}"
            await Line(redis, session_id=session, versions=first).send("")
            failing = FailsAt(redis, n)
            line = Line(failing, session_id=session, versions=live(failing))
            reply = await line.send("1")
            assert reply.text in {FA["ask_id"], FA["unavailable"]}
            if not failing.tripped:
                break
        assert n > 3

    on(server, play)


def test_many_need_it_at_once(server: RunningRedis) -> None:
    """A version that many conversations need is built once."""

    async def play(redis: Redis) -> None:
        built: list[str] = []
        await Published(redis).publish(A, "Sara", NOON)

        def build(bundle: Bundle) -> SpokenVersion:
            built.append(bundle.digest)
            return BUILD(bundle)

        versions = live(redis, build=build)
        found = await asyncio.gather(*(versions.of(A.digest) for _ in range(100)))
        assert {version.digest for version in found if version} == {A.digest}
        assert built == [A.digest]

    on(server, play)


def test_what_is_kept_is_bounded(server: RunningRedis) -> None:
    """Old versions are forgotten in time, in Redis and in memory; the one in service never."""

    async def play(redis: Redis) -> None:
        published = Published(redis)
        versions = live(
            redis, build=lambda b: replace(OWN, tree=replace(OWN.tree, digest=b.digest))
        )
        for number in range(MOST_KEPT + 5):
            await published.publish(Bundle({"dialogue/tree.toml": str(number)}), "Sara", NOON)
            await versions.refresh()
        kept = await published.kept()
        assert len(kept) == MOST_KEPT
        assert kept[0].digest == versions.current.digest == (await published.now()).digest
        assert await redis.send("HLEN", KEY) == 3 * MOST_KEPT + 2
        assert len(versions._held) == MOST_HELD
        # The one that came before the oldest is gone: there is no way further back.
        for _ in range(MOST_KEPT - 1):
            await published.go_back("Sara", NOON)
        with pytest.raises(NotPublished):
            await published.go_back("Sara", NOON)

    on(server, play)


class Odd(FailsAt):
    """Redis away at one call, and an answer at the next that nobody expects."""

    def send(self, *args: Arg) -> asyncio.Future[Reply]:
        if self._left == 0:
            self._left -= 1
            return super().send("PING")
        return super().send(*args)


def test_it_follows_by_itself(server: RunningRedis) -> None:
    """A running process looks again and again, Redis away or not, whatever it answers."""

    async def play(redis: Redis) -> None:
        noticed: asyncio.Queue[str] = asyncio.Queue()
        versions = live(Odd(redis, 3), polled_every=0.01)
        versions._noticed = lambda version: noticed.put_nowait(version.digest)
        await versions.start()
        try:
            await Published(redis).publish(A, "Sara", NOON)
            async with asyncio.timeout(20):
                assert await noticed.get() == A.digest
        finally:
            await versions.close()

    on(server, play)
