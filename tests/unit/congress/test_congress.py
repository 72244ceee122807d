"""Requests through their life: stored first, told once, brought up to date, settled. Database and HTTP are real."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from d8.congress.congress import LEASE, Congress
from d8.congress.telegram import Telegram
from d8.errors import UsageError
from d8.fleet.registry import Registry
from d8.models import RequestStatus
from tests.support.fakes import make_settings
from tests.support.telegram import NO_CHAT, WRONG_TOKEN, TelegramServer, too_many
from tests.unit.congress.support import Clock, failed_build

PENDING, SENT, CLOSED = RequestStatus.PENDING, RequestStatus.SENT, RequestStatus.CLOSED


@pytest.fixture
def telegram(httpserver: HTTPServer) -> TelegramServer:
    return TelegramServer(httpserver)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    opened = Registry(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def naps() -> list[float]:
    return []


@pytest.fixture
def congress(tmp_path: Path, registry: Registry, telegram: TelegramServer, naps: list[float]) -> Congress:
    bot = Telegram(telegram.url, "123:AB", "42", sleep=naps.append)
    return Congress(make_settings(tmp_path), registry, bot, Clock())


def test_a_failure_is_stored_and_told(congress: Congress, telegram: TelegramServer) -> None:
    request = congress.escalate(failed_build())
    assert (request.id, request.status, request.notified) == (1, SENT, congress.clock())
    assert [message["chat_id"] for message in telegram.taken] == ["42"]


def test_the_same_cause_again_is_counted_and_not_told(congress: Congress, telegram: TelegramServer) -> None:
    congress.escalate(failed_build())
    congress.clock.move(hours=1)
    again = congress.escalate(failed_build())
    assert (again.id, again.failures, again.status) == (1, 2, SENT)
    assert again.updated - again.created == timedelta(hours=1)
    assert len(telegram.taken) == 1


def test_another_cause_is_told_with_the_number_of_failures(congress: Congress, telegram: TelegramServer) -> None:
    congress.escalate(failed_build())
    again = congress.escalate(failed_build("curl: (6) Could not resolve host: packages.example.org"))
    assert (again.id, again.status, again.cause) == (1, SENT, "no-internet")
    assert "This is failure number 2 of this slave" in telegram.taken[1]["text"]


def test_each_slave_has_a_request_of_its_own(congress: Congress, telegram: TelegramServer) -> None:
    assert [congress.escalate(failed_build(slave_id=name)).id for name in ("slave-1", "slave-2")] == [1, 2]
    assert len(telegram.taken) == 2


def test_a_build_that_works_settles_it_and_a_later_failure_is_a_new_one(congress: Congress) -> None:
    congress.escalate(failed_build())
    assert congress.settle("slave-192-168-4-25") and not congress.settle("slave-192-168-4-25")
    closed = congress.registry.requests.get(1)
    assert (closed.status, closed.closed_by) == (CLOSED, "build")
    assert congress.escalate(failed_build()).id == 2
    assert [request.id for request in congress.registry.requests.all()] == [2, 1]  # open ones first


def test_the_operator_closes_it_once(congress: Congress) -> None:
    congress.escalate(failed_build())
    first = congress.registry.requests.close(1, "operator", congress.clock())
    congress.clock.move(days=1)
    assert congress.registry.requests.close(1, "build", congress.clock()) == first
    with pytest.raises(UsageError, match="no request 9"):
        congress.registry.requests.close(9, "operator", congress.clock())


def test_without_telegram_it_waits_and_says_why(congress: Congress) -> None:
    request = replace(congress, telegram=None).escalate(failed_build())
    assert request.status is PENDING and "TELEGRAM_BOT_TOKEN" in (request.reason or "")
    assert [one.status for one in congress.deliver_due()] == [SENT]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (WRONG_TOKEN, "TELEGRAM_BOT_TOKEN"),
        (NO_CHAT, "chat not found"),
        ((502, "<html>bad gateway</html>"), "not Telegram"),
        ((200, {"hello": "world"}), "not Telegram"),
        ((500, {"ok": False, "description": "Internal"}), "HTTP 500"),
        (too_many(900), "900"),
    ],
)
def test_a_message_that_is_not_taken_waits_with_the_reason(
    congress: Congress, telegram: TelegramServer, answer: tuple, reason: str, naps: list[float]
) -> None:
    telegram.answers.append(answer)
    request = congress.escalate(failed_build())
    assert request.status is PENDING and reason in (request.reason or "") and naps == []
    assert congress.deliver_due() == []  # too early
    congress.clock.move(minutes=16)
    assert [one.status for one in congress.deliver_due()] == [SENT]
    assert len(telegram.taken) == 1


def test_a_short_wait_that_telegram_asks_for_is_waited(
    congress: Congress, telegram: TelegramServer, naps: list[float]
) -> None:
    telegram.answers.append(too_many(3))
    assert congress.escalate(failed_build()).status is SENT
    assert naps == [3.0] and len(telegram.taken) == 1


def test_retry_after_is_respected_to_the_second(congress: Congress, telegram: TelegramServer) -> None:
    telegram.answers.append(too_many(900))
    congress.escalate(failed_build())
    congress.clock.move(seconds=899)
    assert congress.deliver_due() == []
    congress.clock.move(seconds=1)
    assert len(congress.deliver_due()) == 1


def test_the_older_a_request_the_rarer_it_is_tried(congress: Congress, telegram: TelegramServer) -> None:
    telegram.answers += [WRONG_TOKEN, WRONG_TOKEN]
    congress.escalate(failed_build())
    congress.clock.move(days=3)
    [still] = congress.deliver_due()
    assert still.next_try == congress.clock() + timedelta(hours=1)


def test_when_telegram_is_down_the_others_are_not_tried(congress: Congress, telegram: TelegramServer) -> None:
    silent = replace(congress, telegram=None)
    for name in ("slave-1", "slave-2", "slave-3"):
        silent.escalate(failed_build(slave_id=name))
    telegram.answers.append(WRONG_TOKEN)
    assert [one.slave_id for one in congress.deliver_due()] == ["slave-1"]
    assert len(telegram.messages) == 1


def test_at_most_five_go_out_on_the_way_of_a_command_and_all_with_send(
    congress: Congress, telegram: TelegramServer
) -> None:
    silent = replace(congress, telegram=None)
    for number in range(8):
        silent.escalate(failed_build(slave_id=f"slave-{number}"))
    assert len(congress.deliver_due()) == 5
    assert len(congress.deliver_all()) == 3
    assert len(telegram.taken) == 8


def test_two_at_once_tell_a_person_once(congress: Congress, telegram: TelegramServer) -> None:
    replace(congress, telegram=None).escalate(failed_build())
    request = congress.registry.requests.get(1)
    threads = [threading.Thread(target=congress.deliver, args=(request,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(telegram.taken) == 1


def test_a_delivery_cut_off_in_the_middle_is_repeated_after_its_lease(
    congress: Congress, telegram: TelegramServer
) -> None:
    replace(congress, telegram=None).escalate(failed_build())
    request = congress.registry.requests.get(1)
    assert congress.registry.requests.claim(request, congress.clock(), LEASE)  # and killed here
    assert congress.deliver_due() == [] and congress.deliver_all() == []
    congress.clock.move(seconds=LEASE.total_seconds())
    assert [one.status for one in congress.deliver_due()] == [SENT]


def test_a_failure_while_the_message_is_under_way_is_told_as_well(congress: Congress) -> None:
    replace(congress, telegram=None).escalate(failed_build())
    store = congress.registry.requests
    under_way = store.get(1)
    replace(congress, telegram=None).escalate(failed_build("Could not resolve host: x"))
    assert not store.mark_sent(under_way, congress.clock())
    assert store.get(1).status is PENDING


def test_many_failures_at_once_keep_one_open_request(congress: Congress, tmp_path: Path) -> None:
    def fail() -> None:
        own = Registry(tmp_path / "data")
        Congress(congress.settings, own, None, congress.clock).escalate(failed_build())
        own.close()

    threads = [threading.Thread(target=fail) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [request] = congress.registry.requests.all()
    assert request.failures == 6


def test_words_of_a_newer_master_are_unknown_and_not_an_error(congress: Congress, registry: Registry) -> None:
    congress.escalate(failed_build())
    with registry._engine.begin() as connection:
        connection.exec_driver_sql("update requests set status = 'approved', priority = 'urgent'")
    assert registry.requests.get(1).status is RequestStatus.UNKNOWN
