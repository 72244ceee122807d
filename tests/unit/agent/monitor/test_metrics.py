"""The page that Prometheus reads: it parses, and says of each app what is known."""

from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from slave_agent.monitor.metrics import metrics_text

SYSTEM: dict[str, Any] = {
    "agent": {"memory_bytes": 31_000_000},
    "memory": {"total_bytes": 4_000_000_000, "available_bytes": 3_000_000_000},
    "disk": {"total_bytes": 9, "free_bytes": 4},
    "cpu": {"count": 4, "load": [0.5, 0.4, 0.3]},
    "uptime_seconds": 12.5,
    "temperature_celsius": None,
}
IDENTITY = {"slave_id": 'slave "odd"\n', "version": "1", "commit": ""}


def app(name: str, status: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "status": status, "restarts": 0, "memory_bytes": None, "cpu_percent": None} | fields


def samples(page: bytes) -> dict[tuple[str, frozenset[str]], float]:
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def test_the_page_parses_and_says_what_is_known() -> None:
    apps = [app("shop", "running", memory_bytes=5, cpu_percent=1.5, restarts=3), app("till", "crashed")]
    found = samples(metrics_text(IDENTITY, SYSTEM, apps, 7))
    assert found["d8_agent_info", frozenset(IDENTITY.values())] == 1
    assert found["d8_events_total", frozenset()] == 7
    assert found["d8_host_memory_available_bytes", frozenset()] == 3_000_000_000
    assert (found["d8_app_up", frozenset({"shop"})], found["d8_app_up", frozenset({"till"})]) == (1, 0)
    assert found["d8_app_status", frozenset({"till", "crashed"})] == 1
    assert found["d8_app_restarts_total", frozenset({"shop"})] == 3
    assert found["d8_app_memory_bytes", frozenset({"shop"})] == 5
    assert ("d8_app_memory_bytes", frozenset({"till"})) not in found
    assert not any(name == "d8_host_temperature_celsius" for name, _ in found)


def test_a_slave_without_apps_and_with_a_sensor() -> None:
    found = samples(metrics_text(IDENTITY, SYSTEM | {"temperature_celsius": 48.5}, [], 0))
    assert found["d8_host_temperature_celsius", frozenset()] == 48.5
    assert not any(name.startswith("d8_app_") for name, _ in found)
