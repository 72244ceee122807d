"""What GET /metrics tells Prometheus: the agent, the machine, and each app. Built anew at each scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from slave_agent.models import JsonObject
from slave_agent.states import AppState

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_UP = frozenset({AppState.RUNNING.value})


def metrics_text(identity: Mapping[str, str], system: JsonObject, apps: Iterable[JsonObject], last_event: int) -> bytes:
    """Given who the slave is, what GET /api/system tells, the AppStatus of each app and the number of the newest event,
    return the page. Pure.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once([*_of_agent(identity, system, last_event), *_of_machine(system), *_of_apps(apps)]))
    return generate_latest(registry)


class _Once(Collector):
    """Hands over what was put together before."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics

    def describe(self) -> Iterable[Metric]:
        return ()


def _of_agent(identity: Mapping[str, str], system: JsonObject, last_event: int) -> Iterable[Metric]:
    info = GaugeMetricFamily("d8_agent_info", "Which agent this is; always 1.", labels=list(identity))
    info.add_metric(list(identity.values()), 1)
    yield info
    yield _gauge("d8_agent_memory_bytes", "Memory that the agent itself uses.", system["agent"]["memory_bytes"])
    yield CounterMetricFamily("d8_events", "Events so far; GET /api/events lists them.", value=last_event)


def _of_machine(system: JsonObject) -> Iterable[Metric]:
    memory, disk, cpu = system["memory"], system["disk"], system["cpu"]
    yield _gauge("d8_host_memory_total_bytes", "Memory of the machine.", memory["total_bytes"])
    yield _gauge("d8_host_memory_available_bytes", "Memory that new programs could have.", memory["available_bytes"])
    yield _gauge("d8_host_disk_total_bytes", "Size of the disk that the agent's state lies on.", disk["total_bytes"])
    yield _gauge("d8_host_disk_free_bytes", "What is free of it.", disk["free_bytes"])
    yield _gauge("d8_host_cpu_count", "Processors.", cpu["count"])
    yield _gauge("d8_host_load1", "Load over one minute.", cpu["load"][0])
    yield _gauge("d8_host_uptime_seconds", "How long the machine has been up.", system["uptime_seconds"])
    if system["temperature_celsius"] is not None:
        yield _gauge("d8_host_temperature_celsius", "The processor's temperature.", system["temperature_celsius"])


def _of_apps(apps: Iterable[JsonObject]) -> Iterable[Metric]:
    listed = list(apps)
    yield _of_each(listed, "d8_app_up", "1 if the app's process and its service are up.", lambda app: _is_up(app))
    status = GaugeMetricFamily("d8_app_status", "1 for the status that each app is in.", labels=["app", "status"])
    for app in listed:
        status.add_metric([app["name"], app["status"]], 1)
    yield status
    restarts = CounterMetricFamily("d8_app_restarts", "How often systemd started the app again.", labels=["app"])
    for app in listed:
        restarts.add_metric([app["name"]], app["restarts"])
    yield restarts
    yield _of_each(listed, "d8_app_memory_bytes", "Memory of the app's process.", lambda app: app["memory_bytes"])
    yield _of_each(listed, "d8_app_cpu_percent", "Percent of one processor.", lambda app: app["cpu_percent"])


def _is_up(app: JsonObject) -> int:
    return int(app["status"] in _UP)


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value=value)


def _of_each(apps: list[JsonObject], name: str, meaning: str, value: Callable[[JsonObject], Any]) -> Metric:
    """A value of every app that has one."""
    family = GaugeMetricFamily(name, meaning, labels=["app"])
    for app in apps:
        if (number := value(app)) is not None:
            family.add_metric([app["name"]], number)
    return family
