"""GET /metrics: what the core says of itself, and what this service did, for Prometheus. No numbers, no texts."""

import asyncio
from collections.abc import Iterator
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

import dialtone
from clients.http_api.site import Site, need

ASK_S = 3.0
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LINE_STATES = ("offline", "starting", "ready", "reconnecting", "failed")
GAUGES = {
    "rssi_dbm": "dialtone_line_rssi_dbm",
    "rsrp_dbm": "dialtone_line_rsrp_dbm",
    "rsrq_db": "dialtone_line_rsrq_db",
    "sinr_db": "dialtone_line_sinr_db",
}

Json = dict[str, Any]


def routes(site: Site) -> list[web.RouteDef]:
    async def metrics(request: web.Request) -> web.Response:
        """dialtone_up is 0 while the core does not answer."""
        need(request, "observe")
        status = await _status(site)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collector(site, status))
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE})

    return [web.get("/metrics", metrics)]


async def _status(site: Site) -> Json | None:
    try:
        async with asyncio.timeout(ASK_S):
            phone = await site.links.phone(frozenset({"observe"}))
            found: Json = await phone.call("status")
            return found
    except (dialtone.DialtoneError, TimeoutError):
        return None


class _Collector:
    def __init__(self, site: Site, status: Json | None) -> None:
        self._site, self._status = site, status

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("dialtone_up", "Whether the core answers.", value=float(self._status is not None))
        if self._status is not None:
            yield from _of_core(self._status)
        requests = CounterMetricFamily(
            "dialtone_http_requests", "Requests answered by the HTTP service.", labels=("route", "status")
        )
        for (route, status), count in sorted(self._site.seen.items()):
            requests.add_metric((route, str(status)), count)
        yield requests
        yield GaugeMetricFamily("dialtone_http_event_streams", "Open event streams.", value=float(self._site.streams))


def _of_core(status: Json) -> Iterator[Metric]:
    yield GaugeMetricFamily("dialtone_uptime_seconds", "Since the core started.", value=float(status["uptime_s"]))
    yield CounterMetricFamily("dialtone_facts", "Facts in the journal since it began.", value=float(status["seq"]))
    states = GaugeMetricFamily("dialtone_line_state", "1 for the state the line is in.", labels=("line", "state"))
    for line in status["lines"]:
        for state in LINE_STATES:
            states.add_metric((line["name"], state), float(line["state"] == state))
    yield states
    for field, name in GAUGES.items():
        family = GaugeMetricFamily(name, f"{field} of the line's modem.", labels=("line",))
        for line in status["lines"]:
            if isinstance(line.get(field), int | float):
                family.add_metric((line["name"],), float(line[field]))
        yield family
    yield _counted("dialtone_calls", "Calls by state.", "state", [call["state"] for call in status["calls"]])
    yield _counted("dialtone_alarms", "Alarms by severity.", "severity", [one["severity"] for one in status["alarms"]])
    yield GaugeMetricFamily(
        "dialtone_clients", "Connected clients.", value=float(sum(bool(one["connected"]) for one in status["clients"]))
    )


def _counted(name: str, text: str, label: str, values: list[str]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=(label,))
    for value in sorted(set(values)):
        family.add_metric((value,), float(values.count(value)))
    return family
