"""Many builds at once: which hosts are meant, what an interruption does, how it all ended."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from d8.actions import build as build_action
from d8.actions.build import Wanted, build_slaves, overall_exit_code, strategies_for
from d8.actions.hosts import NamedHost, hosts_in, hosts_of_file, parse_hosts
from d8.actions.workplace import Workplace
from d8.build.control import Control, Stopped, Wish
from d8.errors import D8Error, ExitCode, Terminated, UsageError
from d8.fleet.names import Address
from d8.models import BuildReport, BuildStatus, StrategyName
from tests.support.fakes import InMemoryBuilder, make_settings


class TestHosts:
    def test_a_file_has_comments_blank_lines_and_several_hosts_a_line(self, tmp_path: Path) -> None:
        path = tmp_path / "hosts.txt"
        path.write_text("\ufeff# the room\n\n192.168.4.25  # kitchen\npi.local, 192.168.4.26:7601\n  \n192.168.4.25\n")
        found = parse_hosts(hosts_of_file(path), 7600)
        assert [str(address) for address in found.addresses] == ["192.168.4.25", "pi.local", "192.168.4.26:7601"]
        assert found.repeated == (Address("192.168.4.25"),)

    def test_every_bad_line_is_told_at_once_with_its_place(self, tmp_path: Path) -> None:
        path = tmp_path / "hosts.txt"
        path.write_text("192.168.4.999\n192.168.4.25\npi.local:99999\n")
        with pytest.raises(UsageError) as caught:
            parse_hosts([NamedHost("bad/host"), *hosts_of_file(path)], 7600)
        told = str(caught.value)
        assert "'bad/host'" in told and "hosts.txt:1: '192.168.4.999'" in told and "hosts.txt:3:" in told

    @pytest.mark.parametrize("content", ["", "# nothing\n\n"])
    def test_a_file_without_a_host_is_wrong_usage(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "hosts.txt").write_text(content)
        with pytest.raises(UsageError, match="names no host"):
            hosts_of_file(tmp_path / "hosts.txt")

    def test_a_file_that_is_not_there_is_wrong_usage(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="can't be read"):
            hosts_of_file(tmp_path / "none.txt")

    def test_nothing_at_all_is_wrong_usage(self) -> None:
        with pytest.raises(UsageError, match="no host"):
            parse_hosts(hosts_in(" , "), 7600)

    def test_spaces_commas_and_semicolons_stand_between_hosts(self) -> None:
        assert [host.text for host in hosts_in("a, b;c  d,,")] == ["a", "b", "c", "d"]


class PatientBuilder(InMemoryBuilder):
    """Builds until somebody stops it; `begun` counts how many have begun."""

    begun = threading.Semaphore(0)

    def build(self) -> BuildReport:
        control = Control(self._options.orders)
        PatientBuilder.begun.release()
        try:
            control.sleep(30)
        except Stopped as order:
            if order.wish is Wish.CANCEL:
                control.accept(Wish.CANCEL)
                try:
                    control.sleep(0.3)  # cleaning up
                except Stopped as second:
                    return self._stopped(second.wish)
            return self._stopped(order.wish)
        raise AssertionError("nobody stopped it")

    def _stopped(self, wish: Wish) -> BuildReport:
        status = BuildStatus.CANCELLED if wish is Wish.CANCEL else BuildStatus.DETACHED
        return BuildReport("slave", self._address.host, status, ExitCode.FAILED, Path("log"), {})


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workplace]:
    monkeypatch.setattr(build_action, "BuildD8Slave", PatientBuilder)
    PatientBuilder.begun = threading.Semaphore(0)
    made = Workplace(make_settings(tmp_path, D8_FAN_OUT="2"))
    yield made
    made.close()


@pytest.fixture
def sigterm_as_in_a_command(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def interrupt(_number: int, _frame: object) -> None:
        raise Terminated

    former = signal.signal(signal.SIGTERM, interrupt)
    yield
    signal.signal(signal.SIGTERM, former)


def interrupt_with(*numbers: signal.Signals) -> None:
    """Send this process the signals once two builds have begun, with a moment between them."""

    def send() -> None:
        PatientBuilder.begun.acquire()
        PatientBuilder.begun.acquire()
        for number in numbers:
            time.sleep(0.1)
            os.kill(os.getpid(), number)

    threading.Thread(target=send, daemon=True).start()


def statuses(workplace: Workplace, ask: Callable[[], Wish | None]) -> list[BuildStatus | None]:
    addresses = [Address(f"192.0.2.{number}") for number in (1, 2, 3)]
    reports = build_slaves(workplace, addresses, lambda _address: lambda _event: None, Wanted(), ask)
    assert overall_exit_code(reports) is ExitCode.FAILED
    return [report.status if report else None for report in reports]


def never_asked() -> Wish | None:
    raise AssertionError("nobody should be asked")


class TestInterruption:
    def test_ctrl_c_cancels_what_runs_and_begins_nothing_more(self, workplace: Workplace) -> None:
        interrupt_with(signal.SIGINT)
        assert statuses(workplace, lambda: Wish.CANCEL) == [BuildStatus.CANCELLED, BuildStatus.CANCELLED, None]

    def test_a_second_ctrl_c_detaches(self, workplace: Workplace) -> None:
        interrupt_with(signal.SIGINT, signal.SIGINT)
        assert statuses(workplace, lambda: Wish.CANCEL) == [BuildStatus.DETACHED, BuildStatus.DETACHED, None]

    def test_ctrl_c_in_the_question_detaches(self, workplace: Workplace) -> None:
        def interrupted() -> Wish | None:
            raise KeyboardInterrupt

        interrupt_with(signal.SIGINT)
        assert statuses(workplace, interrupted) == [BuildStatus.DETACHED, BuildStatus.DETACHED, None]

    def test_going_on_changes_nothing_until_the_next_ctrl_c(self, workplace: Workplace) -> None:
        answers: list[Wish | None] = [None, Wish.DETACH]
        interrupt_with(signal.SIGINT, signal.SIGINT)
        assert statuses(workplace, lambda: answers.pop(0)) == [BuildStatus.DETACHED, BuildStatus.DETACHED, None]
        assert answers == []

    @pytest.mark.usefixtures("sigterm_as_in_a_command")
    def test_a_polite_end_detaches_and_asks_nobody(self, workplace: Workplace) -> None:
        interrupt_with(signal.SIGTERM)
        assert statuses(workplace, never_asked) == [BuildStatus.DETACHED, BuildStatus.DETACHED, None]


class ForgetfulBuilder(InMemoryBuilder):
    """Can't write the log of one of its hosts."""

    def build(self) -> BuildReport:
        if self._address.host == "192.0.2.2":
            raise D8Error("{path} can't be written: {reason}", path="build_x.json", reason="No space left on device")
        return super().build()


def test_a_log_that_can_not_be_written_takes_no_other_build_with_it(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_action, "BuildD8Slave", ForgetfulBuilder)
    addresses, told = [Address(f"192.0.2.{number}") for number in (1, 2, 3)], []
    reports = build_slaves(
        workplace,
        addresses,
        lambda _address: lambda _event: None,
        Wanted(),
        tell=lambda address, _report: told.append(address),
    )
    assert sorted(map(str, told)) == [str(address) for address in addresses]
    assert overall_exit_code(reports) is ExitCode.PARTLY_DONE
    failed = reports[1]
    assert failed is not None and "No space left on device" in failed.as_json()["error"]
    with pytest.raises(D8Error, match="can't be written"):
        build_slaves(workplace, addresses[1:2], lambda _address: lambda _event: None, Wanted())


def report(status: BuildStatus, code: ExitCode) -> BuildReport:
    return BuildReport("s", "h", status, code, Path("log"), {})


GOOD = report(BuildStatus.SUCCESS, ExitCode.DONE)
OFF = report(BuildStatus.FAILED, ExitCode.UNREACHABLE)


@pytest.mark.parametrize(
    ("reports", "code"),
    [
        ([GOOD], ExitCode.DONE),
        ([OFF], ExitCode.UNREACHABLE),
        ([GOOD, GOOD], ExitCode.DONE),
        ([GOOD, OFF], ExitCode.PARTLY_DONE),
        ([GOOD, None], ExitCode.PARTLY_DONE),
        ([OFF, OFF], ExitCode.FAILED),
        ([None], ExitCode.FAILED),
    ],
)
def test_the_exit_code_says_whether_all_some_or_none_were_built(
    reports: list[BuildReport | None], code: ExitCode
) -> None:
    assert overall_exit_code(reports) is code


def test_one_strategy_alone(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    assert [one.name for one in strategies_for(StrategyName.VENV, settings)] == [StrategyName.VENV]
    assert len(strategies_for(None, settings)) > 1
