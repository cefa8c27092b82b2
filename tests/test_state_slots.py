"""The slot of a key, and of a command."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.commands import Arg
from state.slots import SLOTS, NoSlot, slot_of, slot_of_command

ROOT = Path(__file__).resolve().parent.parent

OF_ONE_SERVER = {
    *("PING", "INFO", "BGSAVE", "CONFIG", "WAIT", "CLIENT", "CLUSTER", "SENTINEL", "ROLE"),
}
"""Commands without a key: sent to one server, by at() or masters() (state/store.py)."""


def crc16(data: bytes) -> int:
    """CRC-16/XMODEM bit by bit, as the Cluster specification's appendix has it."""
    crc = 0
    for octet in data:
        crc ^= octet << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


@given(st.binary(max_size=60).filter(lambda key: b"{" not in key))
def test_a_key_has_the_slot_that_redis_gives_it(key: bytes) -> None:
    """A person is looked for on the server that has them."""
    assert slot_of(key) == crc16(key) % SLOTS


@pytest.mark.parametrize(
    ("key", "counts"),
    [
        ("123456789", "123456789"),
        ("{user1000}.following", "user1000"),
        ("foo{}{bar}", "foo{}{bar}"),
        ("foo{{bar}}zap", "{bar"),
        ("foo{bar}{zap}", "bar"),
        ("foo{bar", "foo{bar"),
        ("sms:{hamrah}:in", "hamrah"),
    ],
)
def test_what_stands_in_braces_counts_alone(key: str, counts: str) -> None:
    """All that belongs to one operator or one asker lies on one server."""
    assert slot_of(key) == crc16(counts.encode()) % SLOTS


def test_the_value_of_the_specification_comes_out() -> None:
    """The sum is the one that the specification names for its own example."""
    assert crc16(b"123456789") == 0x31C3
    assert slot_of(b"123456789") == 0x31C3 % SLOTS


@pytest.mark.parametrize(
    "command",
    [
        ("GET", "k"),
        (b"HMGET", b"k", b"1", b"w"),
        ("DEL", "k"),
        ("EVALSHA", "0" * 40, 2, "k", "{k}:more", "arg"),
        ("EVAL", "return 1", 1, b"k"),
        ("XGROUP", "CREATE", "k", "g", "0", "MKSTREAM"),
        ("XINFO", "CONSUMERS", "k", "g"),
        ("XREADGROUP", "GROUP", "g", "c", "COUNT", 1, "BLOCK", 5, "STREAMS", "k", ">"),
        ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "k", "{k}2", ">", ">"),
    ],
)
def test_the_keys_of_a_command_are_found(command: tuple[Arg, ...]) -> None:
    """A command goes to the server that has its keys, wherever they stand in it."""
    assert slot_of_command(command) == slot_of("k")


@pytest.mark.parametrize(
    "command",
    [
        ("PING",),
        ("WAIT", 1, 100),
        ("FLUSHALL",),
        ("SOMETHING", "k"),
        ("DEL", "a", "b"),
        ("EVAL", "return 1", 0),
        ("EVAL", "return 1", 2, "a", "b"),
        ("EVAL", "return 1", "two", "a"),
        ("GET",),
        ("XREADGROUP", "GROUP", "g", "c"),
        ("SET", 7, "v"),
    ],
)
def test_what_belongs_to_no_one_server_is_refused(command: tuple[Arg, ...]) -> None:
    """A command whose server is not known is never sent to any server."""
    with pytest.raises(NoSlot) as refusal:
        slot_of_command(command)
    assert len(str(refusal.value)) < 80


def test_every_command_in_the_code_has_a_known_place_for_its_keys() -> None:
    """Whatever works on one Redis works on a Cluster."""
    unknown = []
    for package in ("eligibility", "dialogue", "sms", "ussd", "api", "ivr", "state"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                name = _command(node)
                if name and name not in OF_ONE_SERVER and not _known(name):
                    unknown.append(f"{path.relative_to(ROOT)}: {name}")
    assert unknown == []


def _command(node: ast.AST) -> str:
    """The name of a command that a call sends, "" for any other node."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return ""
    if node.func.attr != "send" or not node.args or not isinstance(node.args[0], ast.Constant):
        return ""
    word = node.args[0].value
    return word.decode() if isinstance(word, bytes) else str(word)


def _known(name: str) -> bool:
    shapes: list[tuple[Arg, ...]] = [
        (name, "k"),
        (name, "SUBCOMMAND", "k"),
        (name, "script", 1, "k"),
        (name, "STREAMS", "k", ">"),
    ]
    for shape in shapes:
        try:
            return slot_of_command(shape) == slot_of("k")
        except NoSlot:
            continue
    return False
