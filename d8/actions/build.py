"""Option 11: builds and registers slaves, many at once, and passes on what the operator wants of them meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from d8.actions.unexpected import unexpected
from d8.actions.workplace import Workplace
from d8.build.builder import BuildD8Slave, BuildOptions
from d8.build.control import Orders, Wish
from d8.build.events import Observer
from d8.build.strategies import Strategy, available, chosen
from d8.errors import Cancelled, D8Error, ExitCode, Terminated, UsageError
from d8.fleet.names import Address, slave_id_for
from d8.messages import NOTHING
from d8.models import BuildReport, BuildStatus, StrategyName
from d8.settings import Settings

Ask = Callable[[], Wish | None]


@dataclass(frozen=True)
class Wanted:
    """How the slaves are to be built: by one strategy alone or as it comes, going on with unfinished builds or not."""

    strategy: StrategyName | None = None
    resumes: bool = False


def cancel_them() -> Wish:
    """What Ctrl+C means where nobody can be asked."""
    return Wish.CANCEL


def build_slave(
    workplace: Workplace, address: Address, observer: Observer, wanted: Wanted | None = None, ask: Ask = cancel_them
) -> BuildReport:
    """Given an address, build the slave there and return the report; a failed build is a report too.

    Raises Cancelled when it was stopped before it had begun.
    """
    [report] = build_slaves(workplace, [address], lambda _address: observer, wanted or Wanted(), ask)
    if report is None:
        raise Cancelled("cancelled")
    return report


def build_slaves(
    workplace: Workplace,
    addresses: Sequence[Address],
    observer_of: Callable[[Address], Observer],
    wanted: Wanted,
    ask: Ask = cancel_them,
    tell: Callable[[Address, BuildReport], None] = lambda _address, _report: None,
) -> list[BuildReport | None]:
    """Given addresses, build them at the same time and return the reports in their order; None for one that an order
    to stop came before.

    `ask` is called at Ctrl+C, while the builds go on, and says what is wanted; Ctrl+C in it, or again, detaches. A
    polite request to end (SIGTERM) detaches. `tell` hears of each end, from the build's own thread.
    """
    orders = Orders()
    strategies = strategies_for(wanted.strategy, workplace.settings)
    options = BuildOptions(strategies, wanted.resumes, wanted.strategy is not None, orders)
    settings, registry = workplace.settings, workplace.registry  # opened here, not by several threads at once

    def build(address: Address) -> BuildReport | None:
        if orders.wish is not None:
            return None
        try:
            report = BuildD8Slave(address, settings, registry, observer_of(address), options).build()
        except Exception as error:  # its log could not be written, say: the others, and the summary, go on
            if len(addresses) == 1:
                raise
            report = _without_log(address, settings, error)
        tell(address, report)
        return report

    with ThreadPoolExecutor(min(settings.fan_out, len(addresses)), thread_name_prefix="build") as pool:
        builds = [pool.submit(build, address) for address in addresses]
        _see_through(builds, orders, ask)
    return [build.result() for build in builds]


def strategies_for(name: StrategyName | None, settings: Settings) -> tuple[Strategy, ...]:
    """Given the one strategy that is wanted, or none, return the strategies to try. Raises UsageError."""
    if name is None:
        return chosen(settings)
    found = tuple(strategy for strategy in available(settings) if strategy.name == name)
    if not found:
        known = ", ".join(strategy.name for strategy in available(settings))
        raise UsageError("there is no strategy '{name}' (there are: {known})", name=name, known=known)
    return found


def overall_exit_code(reports: Sequence[BuildReport | None]) -> ExitCode:
    """Given the reports of one command, return its exit code: partly done when some failed. Pure."""
    failed = [report for report in reports if report is None or report.status is not BuildStatus.SUCCESS]
    if not failed:
        return ExitCode.DONE
    if len(failed) < len(reports):
        return ExitCode.PARTLY_DONE
    return failed[0].exit_code if len(reports) == 1 and failed[0] else ExitCode.FAILED


def _without_log(address: Address, settings: Settings, error: Exception) -> BuildReport:
    """The report of a build that this master itself failed with."""
    problem = error.message if isinstance(error, D8Error) else unexpected(error)
    hint = error.hint if isinstance(error, D8Error) else NOTHING
    return BuildReport(
        slave_id=slave_id_for(address),
        slave_host=address.host,
        status=BuildStatus.FAILED,
        exit_code=ExitCode.FAILED,
        log_file=settings.data_dir / "build_logs",
        document={
            "slave_id": slave_id_for(address),
            "slave_host": address.host,
            "status": BuildStatus.FAILED,
            "commands": [],
            "error": str(problem),
            "hint": str(hint),
        },
        error=problem,
        hint=hint,
    )


def _see_through(builds: Sequence[Future[BuildReport | None]], orders: Orders, ask: Ask) -> None:
    """Wait for the builds' ends; signals come here, for they reach the main thread alone."""
    while True:
        try:
            wait(builds)
            return
        except KeyboardInterrupt as interrupt:
            wish = _wish(interrupt, orders, ask)
            if wish is not None:
                orders.give(wish)


def _wish(interrupt: KeyboardInterrupt, orders: Orders, ask: Ask) -> Wish | None:
    if isinstance(interrupt, Terminated) or orders.wish is not None:
        return Wish.DETACH
    try:
        return ask()
    except (KeyboardInterrupt, EOFError):
        return Wish.DETACH
