from __future__ import annotations

from slave_agent.orchestrator.editing import Change, changes, environment_after, merged, presentable


def test_null_takes_a_field_back_to_its_default() -> None:
    assert merged({"name": "a", "port": 1, "tasks": 2}, {"port": None, "tasks": 3}) == {"name": "a", "tasks": 3}


def test_the_environment_is_merged_by_name_and_null_deletes() -> None:
    assert environment_after(["A", "B"], {"B": None, "C": "3", "Z": None}) == ("A", "C")


def test_what_differs_is_told_and_of_the_environment_only_names() -> None:
    before, after = {"port": 1, "tasks": None}, {"port": 2, "tasks": None}
    found = changes(before, after, ["A", "B"], {"A": "geheim", "B": None, "C": "3", "D": None})
    assert found == [
        Change("port", 1, 2),
        Change("environment.A", "set", "set"),
        Change("environment.B", "set", None),
        Change("environment.C", None, "set"),
    ]
    assert "geheim" not in repr(found)


def test_what_is_wrong_in_itself_is_left_out_where_the_host_is_asked() -> None:
    document = {"name": "Bad Name", "kind": "node", "script": "/x", "user": "pi", "working_dir": "/", "port": -1}
    assert presentable(document, {"name", "port"}) == {
        "name": "unnamed", "kind": "node", "script": "/x", "user": "pi", "working_dir": "/",
    }  # fmt: skip
    assert presentable(document, {"user"}) is None
