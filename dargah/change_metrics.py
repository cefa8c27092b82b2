"""What is counted of the feed of changes, for Prometheus (eligibility's ChangeObserver)."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from eligibility.csv_rows import COLUMNS

_FIELDS = frozenset(COLUMNS) | {"entry", "fault"}


class ChangeMetrics:
    """Each change is counted by the one gateway that took it off."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._changes = Counter(
            "dargah_changes",
            "Changes taken off the stream, and what became of them.",
            ("what",),
            registry=registry,
        )
        self._bad = Counter(
            "dargah_changes_bad",
            "Changes that could not be read, by the field at fault.",
            ("field",),
            registry=registry,
        )
        self._length = Gauge(
            "dargah_changes_kept",
            "Changes in the stream, those that were applied included.",
            registry=registry,
        )
        self._lag = Gauge(
            "dargah_changes_lag_seconds",
            "Seconds that the oldest change has waited that is not applied.",
            registry=registry,
        )

    def changed(self, what: str) -> None:
        """Count a change that was taken off: one of person_store.Written, or `bad`."""
        self._changes.labels(what).inc()

    def put_aside(self, field: str) -> None:
        """Count a change that could not be read."""
        self._bad.labels(field if field in _FIELDS else "other").inc()

    def changes_wait(self, length: int, lag: float) -> None:
        """Note how long the stream is, and its lag in seconds."""
        self._length.set(length)
        self._lag.set(lag)
