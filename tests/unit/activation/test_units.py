"""The rendered units, compared with the golden files; `WRITE_GOLDEN=1` writes them anew, for a look at the diff."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slave_agent.activation.errors import ActivationError
from slave_agent.activation.layout import Layout, layout_for
from slave_agent.activation.states import Scope
from slave_agent.activation.units import (
    UnitValues,
    guard_period_seconds,
    render_adopt_unit,
    render_staging_unit,
    render_units,
    unit_names,
)

GOLDEN = Path(__file__).parents[2] / "fixtures" / "activation"
USER_OPT = Path("/home/bob/.local/share/d8-agent/opt")
VALUES = UnitValues(
    port=7600, bind="0.0.0.0", bootstrap_user="pi", bootstrap_home=Path("/home/pi"), guard_period_seconds=12
)


def layout(scope: Scope) -> Layout:
    return layout_for(scope, USER_OPT, Path("/home/bob"), 1000, python="/usr/bin/python3")


def rendered(scope: Scope) -> dict[str, str]:
    place = layout(scope)
    texts = render_units(place, VALUES)
    texts["d8-agent-staging.service"] = render_staging_unit(place, place.release("c" * 40), 41000)
    if scope is Scope.USER:
        texts["d8-adopt.service"] = render_adopt_unit(place)
    return texts


@pytest.mark.parametrize(
    ("scope", "name"), [(scope, name) for scope in (Scope.SYSTEM, Scope.USER) for name in rendered(scope)]
)
def test_a_unit_reads_as_its_golden_file(scope: Scope, name: str) -> None:
    golden = GOLDEN / scope.value / name
    text = rendered(scope)[name]
    if os.environ.get("WRITE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_there_is_no_golden_file_without_its_unit() -> None:
    for scope in (Scope.SYSTEM, Scope.USER):
        assert {path.name for path in (GOLDEN / scope.value).iterdir()} == set(rendered(scope))


def test_only_the_system_scope_has_the_root_helper() -> None:
    assert "d8-helper.socket" in unit_names(Scope.SYSTEM)
    assert "d8-helper.socket" not in unit_names(Scope.USER)


@pytest.mark.parametrize(
    ("bind", "listen"),
    [
        ("0.0.0.0", "ListenStream=7600"),
        ("::", "ListenStream=7600"),
        ("192.168.4.25", "ListenStream=192.168.4.25:7600"),
        ("fd00::25", "ListenStream=[fd00::25]:7600"),
    ],
)
def test_the_socket_listens_where_the_settings_say(bind: str, listen: str) -> None:
    values = UnitValues(7600, bind, "pi", Path("/home/pi"), 12)
    assert listen in render_units(layout(Scope.SYSTEM), values)["d8-agent.socket"].splitlines()


def test_a_percent_sign_in_a_path_is_doubled() -> None:
    values = UnitValues(7600, "0.0.0.0", "pi", Path("/home/100%pi"), 12)
    assert "WorkingDirectory=/home/100%%pi" in render_units(layout(Scope.SYSTEM), values)["d8-bootstrap.service"]


@pytest.mark.parametrize(
    "home", ["/home/p i", "/home/pi\n[Service]", '/home/"pi"', "/home/$pi", "home/pi", "/home/pi\r"]
)
def test_a_path_that_no_unit_can_carry_is_refused(home: str) -> None:
    with pytest.raises(ActivationError, match="No unit can carry"):
        render_units(layout(Scope.SYSTEM), UnitValues(7600, "0.0.0.0", "pi", Path(home), 12))


@pytest.mark.parametrize(("timeout", "period"), [(60, 10), (50, 10), (12, 2.4), (2, 0.5), (3600, 10)])
def test_five_looks_of_the_guard_fit_into_the_confirm_timeout_and_into_a_minute(timeout: float, period: float) -> None:
    assert guard_period_seconds(timeout) == period


def test_without_a_bootstrap_none_is_named_and_the_agent_is_started_for_ever() -> None:
    found = render_units(layout(Scope.SYSTEM), UnitValues(7600, "0.0.0.0", None, Path("/"), 12))
    assert "d8-bootstrap.service" not in found
    agent = found["d8-agent.service"].splitlines()
    assert "StartLimitIntervalSec=0" in agent and not any(line.startswith("OnFailure=") for line in agent)
