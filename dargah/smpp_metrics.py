"""
What is counted of the SMPP binds.

Labels are the operator's own names of binds and our own words, never anything that a peer sent.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge

RX, TX = "rx", "tx"


class SmppMetrics:
    """The counters of all binds, in a gateway's registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._bound = Gauge(
            "dargah_smpp_bound",
            "Whether a bind holds (1) or not (0).",
            ("bind",),
            registry=registry,
        )
        self._pdus = Counter(
            "dargah_smpp_pdus",
            "Messages, and answers to messages; bind, unbind and enquire_link are not counted.",
            ("bind", "direction", "command"),
            registry=registry,
        )
        self._unaccepted = Counter(
            "dargah_smpp_unaccepted",
            "Messages of ours that the SMSC refused or left unanswered.",
            ("bind", "reason"),
            registry=registry,
        )
        self._throttled = Counter(
            "dargah_smpp_throttled",
            "Times that the SMSC asked for less.",
            ("bind",),
            registry=registry,
        )
        self._full = Counter(
            "dargah_smpp_window_full",
            "Messages that found window and queue full.",
            ("bind",),
            registry=registry,
        )
        self._odd = Counter(
            "dargah_smpp_anomalies",
            "Things out of place that were dealt with.",
            ("bind", "what"),
            registry=registry,
        )

    def of(self, bind: str) -> "BindMetrics":
        """Those of one bind; it counts as not bound from here on."""
        return BindMetrics(
            bind, self._bound, self._pdus, self._unaccepted, self._throttled, self._full, self._odd
        )


class BindMetrics:
    """The counters of one bind."""

    def __init__(
        self,
        bind: str,
        bound: Gauge,
        pdus: Counter,
        unaccepted: Counter,
        throttled: Counter,
        full: Counter,
        odd: Counter,
    ) -> None:
        self._bind = bind
        self._unaccepted = unaccepted
        self._odd = odd
        self._bound = bound.labels(bind)
        self._bound.set(0)
        self.throttled = throttled.labels(bind).inc
        self.window_full = full.labels(bind).inc
        # Looked up once: these are counted for every message.
        self.rx_deliver_sm = pdus.labels(bind, RX, "deliver_sm").inc
        self.tx_deliver_sm_resp = pdus.labels(bind, TX, "deliver_sm_resp").inc
        self.tx_submit_sm = pdus.labels(bind, TX, "submit_sm").inc
        self.rx_submit_sm_resp = pdus.labels(bind, RX, "submit_sm_resp").inc

    def bound(self, bound: bool) -> None:
        """Note whether the bind holds."""
        self._bound.set(int(bound))

    def unaccepted(self, reason: str) -> None:
        """Count a message of ours that did not arrive; `reason` is a word of ours."""
        self._unaccepted.labels(self._bind, reason).inc()

    def odd(self, what: str) -> None:
        """Count something out of place; `what` is a word of ours."""
        self._odd.labels(self._bind, what).inc()
