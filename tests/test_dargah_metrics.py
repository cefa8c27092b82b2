"""What is counted."""

from datetime import UTC, datetime

from dargah.metrics import Metrics
from eligibility.verdict import Outcome, Source, Verdict
from telecom.channel import Channel


def samples(metrics: Metrics) -> dict[str, float]:
    """Every sample by its full name."""
    lines = metrics.render().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_an_inquiry_is_counted_by_channel_outcome_and_staleness() -> None:
    """The operator sees how many of which answer went out on which channel."""
    metrics = Metrics()
    now = datetime.now(UTC)
    metrics.answered(
        Channel.USSD, Verdict(Outcome.COVERED, as_of=now, source=Source.CACHE, stale=True), 0.003
    )
    metrics.refused(Channel.API)
    found = samples(metrics)
    assert found['dargah_inquiries_total{channel="ussd",outcome="COVERED",stale="yes"}'] == 1
    assert found['dargah_inquiry_seconds_count{channel="ussd"}'] == 1
    assert found['dargah_inquiries_over_budget_total{channel="api"}'] == 1


def test_one_version_of_the_dialogue_is_in_service() -> None:
    """The version in service is named; the one before it no longer."""
    metrics = Metrics()
    metrics.dialogue_in_service("a" * 16)
    metrics.dialogue_in_service("b" * 16)
    shown = [name for name in samples(metrics) if name.startswith("dargah_dialogue")]
    assert shown == [f'dargah_dialogue_version_info{{version="{"b" * 16}"}}']


def test_a_word_that_is_not_ours_is_no_label() -> None:
    """Nothing that a caller typed can become a name in the metrics."""
    metrics = Metrics()
    metrics.ussd_turn("0012345679")
    metrics.ussd_turn("ended")
    metrics.redis_up("0012345679", True)
    metrics.redis_up("state", False)
    found = samples(metrics)
    assert found['dargah_ussd_turns_total{result="other"}'] == 1
    assert found['dargah_ussd_turns_total{result="ended"}'] == 1
    assert found['dargah_redis_up{role="other"}'] == 1
    assert found['dargah_redis_up{role="state"}'] == 0
    assert b"0012345679" not in metrics.render()


def test_two_gateways_in_one_process_count_apart() -> None:
    """Each gateway has a registry of its own."""
    one, other = Metrics(), Metrics()
    one.http_events().answered("ussd", 200, 0.001)
    one.http_events().refused("slow")
    one.http_events().connections(3)
    assert samples(one)['dargah_http_requests_total{route="ussd",status="200"}'] == 1
    assert samples(one)['dargah_http_refused_total{reason="slow"}'] == 1
    assert samples(one)["dargah_http_connections"] == 3
    assert samples(other)["dargah_http_connections"] == 0
    assert "dargah_process_open_fds" in samples(other)


def test_each_family_is_described_once() -> None:
    """A strict reader of metrics takes them: no family has its type twice."""
    types = [line for line in Metrics().render().decode().splitlines() if line.startswith("# TYPE")]
    assert len(types) > 10
    assert len(types) == len(set(types))
