"""A failed build as a request to a person: its texts, in the operator's language. Pure; nothing is stored or sent here.

The title is the mission's, word by word in every language: it is what a request is searched by.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from ipaddress import ip_address

from d8.masking import Masker
from d8.messages import Message, Translate, message
from d8.models import BuildReport, BuildStatus, HumanRequest, StrategyFailure, StrategyName
from d8.paths import home_short

LONGEST_REASON = 400  # characters of one strategy's reason: the log has all of it
NAMES = {
    StrategyName.DOCKER: message("Docker"),
    StrategyName.VENV: message("VEnv"),
    StrategyName.NATIVE: message("Native"),
}
UNKNOWN_CAUSE = "unknown"
VERSION_MISMATCH = "version-mismatch"


def needs_a_person(report: BuildReport, is_strategy_wanted: bool) -> bool:
    """Given how a build ended, and whether the operator insisted on its strategy, return whether it failed in its
    strategies. Everything else (wrong usage, an unreachable slave, a refused token, Ctrl+C, a wanted strategy that is
    not possible there) is for the operator who sits in front of the screen."""
    counting = [one for one in report.failures if one.was_tried or not is_strategy_wanted]
    return report.status is BuildStatus.FAILED and bool(counting)


def compose(report: BuildReport, now: datetime, translate: Translate, masker: Masker) -> HumanRequest:
    """Given the report of a build whose strategies failed, return the request, not stored yet."""
    return HumanRequest(
        slave_id=report.slave_id,
        title=f"Fallo en instalación de slave: {report.slave_id}",
        description=masker.mask(describe(report, translate)),
        cause=report.diagnosis.anchor if report.diagnosis else UNKNOWN_CAUSE,
        log_file=report.log_file,
        created=now,
        updated=now,
    )


def describe(report: BuildReport, translate: Translate) -> str:
    """Given such a report, return what a person needs to know: where, what was tried, why it failed, what to do."""
    attempts = Counter(str(entry["strategy"]) for entry in report.document.get("attempts", []))
    tried = [failure for failure in report.failures if failure.was_tried]
    left_out = [failure for failure in report.failures if not failure.was_tried]
    lines = [
        message("Slave: {slave}", slave=report.slave_id),
        message("IP: {host}", host=report.slave_host)
        if _is_ip(report.slave_host)
        else message("Host: {host}", host=report.slave_host),
    ]
    if tried:
        lines.append(message("Failed strategies: {names}", names=_listed(tried, translate)))
    if left_out:
        lines.append(message("Left out: {names}", names=_listed(left_out, translate)))
    lines.append(Message(""))
    for failure in report.failures:
        lines.append(_line(failure, attempts[failure.strategy.value], translate))
    if report.diagnosis:
        lines += [
            Message(""),
            message("Likely cause: {cause}", cause=report.diagnosis.cause),
            message("What to do: {advice}", advice=report.diagnosis.advice),
            message("More about it: {doc}", doc=report.diagnosis.doc),
        ]
    return "\n".join(line.text(translate) for line in lines)


def telegram_text(request: HumanRequest, translate: Translate) -> str:
    """Given a stored request, return the message for a person: the mission's form, and only what is true."""
    if request.cause == VERSION_MISMATCH:
        words = message("🚨 INFRASTRUCTURE: {title}", title=request.title).text(translate)
        number = message("Request {number}.", number=request.id).text(translate)
        return f"{words}\n\n{request.description}\n\n{number}"
    parts = [
        message("🚨 INFRASTRUCTURE: slave installation failed"),
        Message("{description}", {"description": request.description}),
        message("Log: {path}", path=home_short(request.log_file)),
        message("The Congress tried no remedies by itself.\nIt needs a person. Request {number}.", number=request.id),
    ]
    if request.failures > 1:
        again = message(
            "This is failure number {count} of this slave since {day}.",
            count=request.failures,
            day=f"{request.created:%Y-%m-%d}",
        )
        parts.insert(1, again)
    return "\n\n".join(part.text(translate) for part in parts)


def _line(failure: StrategyFailure, attempts: int, translate: Translate) -> Message:
    reason = " ".join(failure.reason.text(translate).split())
    shown = reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]}…"
    if not failure.was_tried:
        return message("{name}, left out: {reason}", name=NAMES[failure.strategy], reason=shown)
    if attempts == 1:
        return message("{name}, 1 attempt: {reason}", name=NAMES[failure.strategy], reason=shown)
    return message(
        "{name}, {count} attempts: {reason}", name=NAMES[failure.strategy], count=max(attempts, 1), reason=shown
    )


def _listed(failures: list[StrategyFailure], translate: Translate) -> str:
    return ", ".join(NAMES[failure.strategy].text(translate) for failure in failures)


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
