"""What is counted of SMS, for Prometheus (sms/inbox.py's Observer)."""

from prometheus_client import CollectorRegistry, Counter, Histogram

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0, 300.0)


class SmsMetrics:
    """Counters of SMS by operator. `what` is one of our own words."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._into = Counter(
            "dargah_sms_in",
            "Messages that came, and what became of them.",
            ("operator", "what"),
            registry=registry,
        )
        self._out = Counter(
            "dargah_sms_out", "What became of replies.", ("operator", "what"), registry=registry
        )
        self._seconds = Histogram(
            "dargah_sms_seconds",
            "From a question to its reply at the SMSC.",
            ("operator",),
            buckets=SECONDS,
            registry=registry,
        )

    def sms_in(self, operator: str, what: str) -> None:
        """A deliver_sm, or what became of its message."""
        self._into.labels(operator, what).inc()

    def sms_out(self, operator: str, what: str) -> None:
        """What became of a reply."""
        self._out.labels(operator, what).inc()

    def sms_replied(self, operator: str, seconds: float) -> None:
        """A reply was taken by the SMSC, so many seconds after its question had come."""
        self._seconds.labels(operator).observe(seconds)
