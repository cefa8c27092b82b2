"""Settings that are each right, and cannot all be so at once."""

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config.settings import Settings

ANY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound to

_LONGEST_ADDRESS = 20


def contradictions(settings: "Settings") -> Iterator[str]:
    """One sentence for each, naming file and line."""
    yield from _ports(settings)
    yield from _answers_by_sms(settings)
    yield from _corrections(settings)
    eligibility = settings.eligibility
    if eligibility.fresh_for > eligibility.usable_for * 24:
        key = _given(settings, "usable_for", "fresh_for", section="eligibility")
        yield (
            f"{settings.where('eligibility', key)}: eligibility.{key}: fresh_for, "
            f"{eligibility.fresh_for:g} hours, is longer than usable_for, "
            f"{eligibility.usable_for:g} days; a record that is too old to be told is not fresh."
        )
    yield from _registry(settings)


def _registry(settings: "Settings") -> Iterator[str]:
    own, redis, lookup = settings.registry, settings.redis, settings.eligibility.lookup_timeout
    needed = own.timeout + 2 * redis.timeout
    if own.url and needed >= lookup:
        yield (
            f"{settings.where('registry', 'timeout')}: registry.timeout: with redis.timeout before "
            f"and after it, it is {needed:g} seconds; eligibility.lookup_timeout, {lookup:g}, must "
            "be longer."
        )
    if own.pause > own.longest_pause:
        key = _given(settings, "pause", "longest_pause", section="registry")
        yield (
            f"{settings.where('registry', key)}: registry.{key}: pause, {own.pause:g} seconds, is "
            f"longer than longest_pause, {own.longest_pause:g}."
        )


def _answers_by_sms(settings: "Settings") -> Iterator[str]:
    by_sms = settings.ussd.answers_by_sms
    carrying = [
        bind.operator
        for bind in settings.smpp
        if "sms" in bind.carries and bind.bind_type != "receiver"
    ]
    if by_sms and by_sms not in carrying:
        yield (
            f"{settings.where('ussd', 'answers_by_sms')}: ussd.answers_by_sms: no bind of operator "
            f"{by_sms!r} carries sms and may submit."
        )
    number = settings.sms.number
    if not 0 < len(number) <= _LONGEST_ADDRESS or not number.isascii():
        yield (
            f"{settings.where('sms', 'number')}: sms.number: 1 to {_LONGEST_ADDRESS} ASCII "
            "characters are needed (SMPP 3.4, 5.2.8)."
        )


def _corrections(settings: "Settings") -> Iterator[str]:
    named = settings.journal.corrections_by
    if named and named not in {bind.operator for bind in settings.smpp if "sms" in bind.carries}:
        yield (
            f"{settings.where('journal', 'corrections_by')}: journal.corrections_by: no bind of "
            f"operator {named!r} carries sms."
        )


def _ports(settings: "Settings") -> Iterator[str]:
    doors = [
        ("http", settings.http.host, settings.http.port),
        ("metrics", settings.metrics.host, settings.metrics.port),
        ("ivr", settings.ivr.host, settings.ivr.port),
    ]
    for (one, host, port), (other, other_host, other_port) in combinations(doors, 2):
        if port != other_port or not port:
            continue
        if host != other_host and not ANY_ADDRESS & {host, other_host}:
            continue
        # The one that the operator wrote is the one to be changed.
        if (other, "port") not in settings.document.lines:
            one, other = other, one
        yield (
            f"{settings.where(other, 'port')}: {other}.port: {port} is {one}.port too; set another."
        )


def _given(settings: "Settings", *keys: str, section: str) -> str:
    """The first of these keys that the operator's own file has; else the first."""
    lines = settings.document.lines
    return next((key for key in keys if (section, key) in lines), keys[0])
