"""What is counted of the journal, for Prometheus (eligibility/journal.py's Observer)."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class JournalMetrics:
    """Entries on their way to SQL; `dargah_journal_lost_total` must stay 0."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._waiting = Gauge(
            "dargah_journal_waiting", "Answers that are not in SQL yet.", registry=registry
        )
        self._lag = Gauge(
            "dargah_journal_lag_seconds",
            "How long the oldest of them has waited.",
            registry=registry,
        )
        self._written = Counter(
            "dargah_journal_written", "Answers written to SQL.", registry=registry
        )
        self._lost = Counter(
            "dargah_journal_lost", "Answers that will never be in SQL.", registry=registry
        )

    def journal_waiting(self, entries: int, lag: float) -> None:
        """So many entries are not in SQL yet, the oldest for so many seconds."""
        self._waiting.set(entries)
        self._lag.set(lag)

    def journal_written(self, entries: int) -> None:
        """So many entries more are in SQL."""
        self._written.inc(entries)

    def journal_lost(self, entries: int) -> None:
        """So many entries are lost for good."""
        self._lost.inc(entries)
