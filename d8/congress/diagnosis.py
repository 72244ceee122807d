"""Why a build failed, read from its texts by the table of known failures. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from d8.congress.known_failures import KNOWN_FAILURES, UNKNOWN_FAILURE
from d8.models import BuildReport, Diagnosis


def diagnose(*tiers: Iterable[str]) -> Diagnosis:
    """Given texts in English, the most telling tier first, return the likely cause: within a tier the table's order
    decides, and a further tier counts only where the ones before it tell nothing known."""
    for tier in tiers:
        texts: Sequence[str] = [text for text in tier if text]
        for known in KNOWN_FAILURES:
            if any(known.explains(text) for text in texts):
                return known.diagnosis
    return UNKNOWN_FAILURE.diagnosis


def is_lasting(text: str) -> bool:
    """Given an error or the output of a command, in English, return whether another attempt would fail as well."""
    explaining = [known for known in KNOWN_FAILURES if known.explains(text)]
    return any(known.is_lasting for known in explaining) or (bool(explaining) and explaining[0].lasts(text))


def telling_line(output: str) -> str | None:
    """Given the output of a command that failed, return the line that says more than its last one, if there is one."""
    searches = (re.search(known.telling, output, re.MULTILINE) for known in KNOWN_FAILURES if known.telling)
    return next((found.group(0).strip() for found in searches if found), None)


def diagnose_build(report: BuildReport, output: str) -> Diagnosis:
    """Given the report of a build that did not succeed and what its last command printed, return the likely cause."""
    tried = [f"{one.reason}\n{one.output}" for one in report.failures if one.was_tried]
    own = [] if report.failures else [f"{report.error}\n{output}"]
    earlier = [str(entry.get("error") or "") for entry in report.document.get("attempts", [])]
    left_out = [str(one.reason) for one in report.failures if not one.was_tried]
    return diagnose([*tried, *own], earlier, left_out)
