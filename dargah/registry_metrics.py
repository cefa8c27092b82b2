"""What is counted of the registry, for Prometheus (eligibility/registry_guard.py's events)."""

from prometheus_client import CollectorRegistry, Counter, Enum, Histogram

from eligibility.registry import FaultKind
from eligibility.registry_breaker import BreakerState
from eligibility.registry_guard import Refusal

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0)


class RegistryMetrics:
    """Counters of the registry; all are there from the start, at 0."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._answers = Counter(
            "dargah_registry_answers",
            "Questions that the registry answered.",
            ("known",),
            registry=registry,
        )
        self._faults = Counter(
            "dargah_registry_faults",
            "Questions to the registry that came to nothing.",
            ("kind",),
            registry=registry,
        )
        self._refused = Counter(
            "dargah_registry_refused",
            "Times that the registry was not asked, to spare it.",
            ("why",),
            registry=registry,
        )
        self._seconds = Histogram(
            "dargah_registry_seconds",
            "From a question to the registry to its answer or fault.",
            buckets=SECONDS,
            registry=registry,
        )
        self._contradictions = Counter(
            "dargah_registry_contradictions",
            "Times that the registry did not know a person of whom the cache has a record.",
            registry=registry,
        )
        self._breaker = Enum(
            "dargah_registry_breaker",
            "Whether the registry is asked (closed), left alone (open), or probed (half_open).",
            states=[state.value for state in BreakerState],
            registry=registry,
        )
        for known in ("yes", "no"):
            self._answers.labels(known)
        for kind in FaultKind:
            self._faults.labels(kind.value)
        for why in Refusal:
            self._refused.labels(why.value)

    def registry_answered(self, known: bool, seconds: float) -> None:
        """It said whether it knows a person."""
        self._answers.labels("yes" if known else "no").inc()
        self._seconds.observe(seconds)

    def registry_failed(self, kind: FaultKind, seconds: float) -> None:
        """A question came to nothing."""
        self._faults.labels(kind.value).inc()
        self._seconds.observe(seconds)

    def registry_refused(self, why: Refusal) -> None:
        """It was not asked."""
        self._refused.labels(why.value).inc()

    def registry_breaker(self, state: BreakerState) -> None:
        """The breaker turned."""
        self._breaker.state(state.value)

    def registry_contradicted(self) -> None:
        """It does not know a person of whom the cache has a record."""
        self._contradictions.inc()
