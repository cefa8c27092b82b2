"""
Everything that is counted, for Prometheus.

Labels are our own words, never a caller's: what is not in a list of ours is counted as `other`.
Lower layers are handed these methods as callbacks, and know nothing of Prometheus.
"""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from dargah.change_metrics import ChangeMetrics
from dargah.http_request import HttpEvents
from dargah.journal_metrics import JournalMetrics
from dargah.registry_metrics import RegistryMetrics
from dargah.smpp_metrics import SmppMetrics
from dargah.sms_metrics import SmsMetrics
from eligibility.verdict import Verdict
from telecom.channel import Channel

# A time of creation beside every counter doubles a scrape and tells nobody anything.
disable_created_metrics()  # type: ignore[no-untyped-call]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

TURN_RESULTS = frozenset(
    {
        *("continued", "ended", "offered", "resumed", "repeated", "expired", "unavailable"),
        *("aborted", "refused"),
    }
)
"""How a USSD turn may end in the count."""


class _EndedCalls(Collector):
    """The telephone counts its calls by itself; here they are shown."""

    def __init__(self, ended: Mapping[str, int]) -> None:
        self._ended = ended

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(
            "dargah_calls_ended", "Calls ended, by how they did.", labels=["how"]
        )
        for how, number in self._ended.items():
            family.add_metric([how], number)
        yield family


class Metrics:
    """The counters of one gateway, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(namespace="dargah", registry=registry)
        self._requests = Counter(
            "dargah_http_requests",
            "HTTP requests answered.",
            ("route", "status"),
            registry=registry,
        )
        self._request_seconds = Histogram(
            "dargah_http_seconds",
            "From a whole HTTP request to its answer.",
            ("route",),
            buckets=SECONDS,
            registry=registry,
        )
        self._refused = Counter(
            "dargah_http_refused",
            "HTTP connections cut by a bound.",
            ("reason",),
            registry=registry,
        )
        self._connections = Gauge(
            "dargah_http_connections", "HTTP connections open now.", registry=registry
        )
        self._turns = Counter(
            "dargah_ussd_turns", "USSD turns answered.", ("result",), registry=registry
        )
        self._inquiries = Counter(
            "dargah_inquiries",
            "Inquiries answered.",
            ("channel", "outcome", "stale"),
            registry=registry,
        )
        self._inquiry_seconds = Histogram(
            "dargah_inquiry_seconds",
            "From an ID to its answer.",
            ("channel",),
            buckets=SECONDS,
            registry=registry,
        )
        self._over_budget = Counter(
            "dargah_inquiries_over_budget",
            "Inquiries refused, their asker's budget being spent.",
            ("channel",),
            registry=registry,
        )
        self._redis_up = Gauge(
            "dargah_redis_up", "Whether Redis answers (1) or not (0).", ("role",), registry=registry
        )
        self._version = Gauge(
            "dargah_dialogue_version_info",
            "The version of the dialogue in service (1).",
            ("version",),
            registry=registry,
        )
        self.smpp = SmppMetrics(registry)
        self.sms = SmsMetrics(registry)
        self.journal = JournalMetrics(registry)
        self.registry = RegistryMetrics(registry)
        self.changes = ChangeMetrics(registry)

    def http_events(self) -> HttpEvents:
        """What the HTTP edge calls."""
        return HttpEvents(
            answered=self.http_request,
            refused=lambda reason: self._refused.labels(reason).inc(),
            connections=self._connections.set,
        )

    def http_request(self, route: str, status: int, seconds: float) -> None:
        """Count an HTTP answer. `route` is a route's name."""
        self._requests.labels(route, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def ussd_turn(self, result: str) -> None:
        """Count a USSD turn: one of TURN_RESULTS."""
        self._turns.labels(result if result in TURN_RESULTS else "other").inc()

    def answered(self, channel: Channel, verdict: Verdict, seconds: float) -> None:
        """Count an inquiry, as eligibility's Observer."""
        stale = "yes" if verdict.stale else "no"
        self._inquiries.labels(channel.value, verdict.outcome.value, stale).inc()
        self._inquiry_seconds.labels(channel.value).observe(seconds)

    def refused(self, channel: Channel) -> None:
        """Count an inquiry over its asker's budget, as eligibility's Observer."""
        self._over_budget.labels(channel.value).inc()

    def redis_up(self, role: str, up: bool) -> None:
        """Note whether the Redis of a role (`cache` or `state`) answers."""
        self._redis_up.labels(role if role in {"cache", "state"} else "other").set(up)

    def dialogue_in_service(self, version: str) -> None:
        """Note the version on which conversations begin now, by its digest."""
        self._version.clear()
        self._version.labels(version).set(1)

    def watch_calls(self, now: Callable[[], int], ended: Mapping[str, int]) -> None:
        """Show how many calls there are, and how many ended in which way, at each scrape."""
        calls = Gauge("dargah_calls", "Calls there are now.", registry=self._registry)
        calls.set_function(lambda: float(now()))
        self._registry.register(_EndedCalls(ended))

    def render(self) -> bytes:
        """All of it in Prometheus' text format (CONTENT_TYPE)."""
        return generate_latest(self._registry)
