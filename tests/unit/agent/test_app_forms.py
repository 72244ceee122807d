from __future__ import annotations

import pytest

from slave_agent.api.app_forms import edit_order, registration
from slave_agent.errors import HttpProblem
from slave_agent.orchestrator.editor import EditOrder
from slave_agent.orchestrator.errors import WrongFields


def test_the_missions_words_are_the_same_fields() -> None:
    assert registration({"app_name": "a", "script_path": "/x", "user": "pi"}) == {
        "name": "a",
        "script": "/x",
        "user": "pi",
    }


def test_a_field_under_both_its_names_is_refused() -> None:
    with pytest.raises(WrongFields) as refused:
        registration({"app_name": "a", "name": "b"})
    assert [problem.field for problem in refused.value.problems] == ["name"]


@pytest.mark.parametrize("document", [None, [], "x", 7])
def test_what_is_no_object_is_refused(document: object) -> None:
    for read in (registration, edit_order):
        with pytest.raises(HttpProblem) as refused:
            read(document)
        assert refused.value.status == 422


@pytest.mark.parametrize(
    ("document", "order"),
    [
        ({"tasks": 5}, EditOrder({"tasks": 5})),
        ({"tasks": 5, "restart": True}, EditOrder({"tasks": 5}, is_restart_wanted=True)),
        ({"restart": "always"}, EditOrder({"restart": "always"})),
        ({"restart": "always", "restart_now": True}, EditOrder({"restart": "always"}, is_restart_wanted=True)),
        ({"restart": False, "restart_now": True}, EditOrder({}, is_restart_wanted=True)),
        ({"dry_run": True}, EditOrder({}, is_dry_run=True)),
        ({}, EditOrder({})),
    ],
)
def test_a_change_is_read(document: dict, order: EditOrder) -> None:
    assert edit_order(document) == order


@pytest.mark.parametrize("name", ["restart_now", "dry_run"])
def test_a_switch_is_true_or_false(name: str) -> None:
    with pytest.raises(WrongFields) as refused:
        edit_order({name: "yes"})
    assert [problem.field for problem in refused.value.problems] == [name]
