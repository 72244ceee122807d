"""Which builds call a person, and what that person reads: the mission's form, and only what is true."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from d8.congress.human_request import compose, needs_a_person, telegram_text
from d8.locale import translation
from d8.masking import Masker
from d8.messages import message
from d8.models import BuildReport, BuildStatus, Category, Priority, RequestStatus
from tests.unit.congress.support import failed_build

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SPANISH = """🚨 INFRAESTRUCTURA: Fallo instalación slave

Slave: slave-192-168-4-25
IP: 192.168.4.25
Estrategias fallidas: VEnv
Sin intentar: Docker

Docker, sin intentar: se omite docker: no rights
VEnv, 2 intentos: falló desempaquetar el código: No space left on device

Causa probable: el disco del slave está lleno
Qué hacer: Libera espacio: df -h muestra dónde; ayudan sudo apt-get clean y sudo journalctl --vacuum-size=50M.
Más: docs/troubleshooting.md#disk-full

Log: /data/build_logs/build_x.json

El Congreso no intentó ningún remedio por sí mismo.
Requiere intervención manual. Solicitud 7."""


def composed(report: BuildReport, language: str = "es", *secrets: str):
    return compose(report, NOW, translation(language), Masker(secrets))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"failures": ()}, False),  # unreachable, refused, wrong usage, a fault before the first strategy
        ({"status": BuildStatus.CANCELLED}, False),
        ({"status": BuildStatus.SUCCESS}, False),
    ],
)
def test_only_failed_strategies_call_a_person(change: dict, expected: bool) -> None:
    assert needs_a_person(replace(failed_build(), **change), is_strategy_wanted=False) is expected


def test_a_wanted_strategy_that_is_not_possible_there_calls_nobody() -> None:
    report = failed_build()
    left_out = replace(report, failures=tuple(one for one in report.failures if not one.was_tried))
    assert needs_a_person(left_out, is_strategy_wanted=False)
    assert not needs_a_person(left_out, is_strategy_wanted=True)
    assert needs_a_person(report, is_strategy_wanted=True)


def test_the_message_has_the_form_of_the_mission_in_spanish() -> None:
    request = replace(composed(failed_build()), id=7)
    assert telegram_text(request, translation("es")) == SPANISH


def test_the_message_is_english_for_an_english_operator() -> None:
    text = telegram_text(replace(composed(failed_build(), "en"), id=7), translation("en"))
    assert text.startswith("🚨 INFRASTRUCTURE: slave installation failed\n\nSlave: slave-192-168-4-25\n")
    assert text.endswith("The Congress tried no remedies by itself.\nIt needs a person. Request 7.")


def test_the_request_has_the_fields_of_the_mission() -> None:
    request = composed(failed_build(), "en")
    assert request.title == "Fallo en instalación de slave: slave-192-168-4-25"
    assert (request.priority, request.category) == (Priority.HIGH, Category.INFRASTRUCTURE)
    assert (request.status, request.failures, request.cause) == (RequestStatus.PENDING, 1, "disk-full")
    assert request.log_file == Path("/data/build_logs/build_x.json")


def test_a_name_is_not_called_an_ip() -> None:
    assert "Host: pi.local" in composed(failed_build(host="pi.local"), "en").description


def test_a_further_failure_says_so() -> None:
    request = replace(composed(failed_build()), id=7, failures=3)
    assert "Es el fallo número 3 de este slave desde 2026-01-02." in telegram_text(request, translation("es"))


def test_what_strategies_say_is_masked_and_cut() -> None:
    report = failed_build(f"token s3cret-of-git {'x' * 5000}")
    description = composed(report, "en", "s3cret-of-git").description
    assert "s3cret-of-git" not in description and "token ***" in description
    assert len(description) < 1500


def test_a_log_in_the_home_is_written_as_people_do() -> None:
    report = replace(failed_build(), log_file=Path.home() / "Documents/d8_data/build_logs/b.json")
    assert "Log: ~/Documents/d8_data/build_logs/b.json" in telegram_text(composed(report), translation("es"))


def test_a_cause_is_translated_with_the_rest() -> None:
    report = replace(failed_build(), diagnosis=None)
    assert composed(report).cause == "unknown" and "Causa" not in composed(report).description
    assert message("closed").text(translation("es")) == "cerrada"
