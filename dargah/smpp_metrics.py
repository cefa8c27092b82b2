"""
What is counted of the SMPP binds.

Labels are the operator's own names of binds and our own words, never anything that a peer sent.
Messages are counted in plain integers and read when somebody looks: four of the library's
counters for each turn of a dialogue would be a twentieth of its time.
"""

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class BindMetrics:
    """The counters of one bind."""

    def __init__(self) -> None:
        self.bound = False
        self.rx_deliver_sm = 0
        self.tx_deliver_sm_resp = 0
        self.tx_submit_sm = 0
        self.rx_submit_sm_resp = 0
        self.throttled = 0
        self.window_full = 0
        self.unaccepted: Counter[str] = Counter()
        """Messages of ours that did not arrive, by a word of ours."""
        self.anomalies: Counter[str] = Counter()

    def odd(self, what: str) -> None:
        """Count something out of place; `what` is a word of ours."""
        self.anomalies[what] += 1


class SmppMetrics(Collector):
    """The counters of all binds, in a gateway's registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._binds: dict[str, BindMetrics] = {}
        registry.register(self)

    def of(self, bind: str) -> BindMetrics:
        """Those of one bind, by its name."""
        return self._binds.setdefault(bind, BindMetrics())

    def collect(self) -> Iterator[Metric]:
        """All of them, as the registry asks for them."""
        bound = GaugeMetricFamily(
            "dargah_smpp_bound", "Whether a bind holds (1) or not (0).", labels=["bind"]
        )
        pdus = CounterMetricFamily(
            "dargah_smpp_pdus",
            "Messages, and answers to messages; bind, unbind and enquire_link are not counted.",
            labels=["bind", "direction", "command"],
        )
        throttled = CounterMetricFamily(
            "dargah_smpp_throttled", "Times that the SMSC asked for less.", labels=["bind"]
        )
        full = CounterMetricFamily(
            "dargah_smpp_window_full",
            "Messages that found window and queue full.",
            labels=["bind"],
        )
        unaccepted = CounterMetricFamily(
            "dargah_smpp_unaccepted",
            "Messages of ours that the SMSC refused or left unanswered.",
            labels=["bind", "reason"],
        )
        anomalies = CounterMetricFamily(
            "dargah_smpp_anomalies",
            "Things out of place that were dealt with.",
            labels=["bind", "what"],
        )
        for name, counts in self._binds.items():
            bound.add_metric([name], int(counts.bound))
            pdus.add_metric([name, "rx", "deliver_sm"], counts.rx_deliver_sm)
            pdus.add_metric([name, "tx", "deliver_sm_resp"], counts.tx_deliver_sm_resp)
            pdus.add_metric([name, "tx", "submit_sm"], counts.tx_submit_sm)
            pdus.add_metric([name, "rx", "submit_sm_resp"], counts.rx_submit_sm_resp)
            throttled.add_metric([name], counts.throttled)
            full.add_metric([name], counts.window_full)
            for reason, count in counts.unaccepted.items():
                unaccepted.add_metric([name, reason], count)
            for what, count in counts.anomalies.items():
                anomalies.add_metric([name, what], count)
        yield from (bound, pdus, throttled, full, unaccepted, anomalies)
