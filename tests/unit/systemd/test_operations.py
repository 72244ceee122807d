"""The verbs on apps: whole or nothing, whatever fails or is killed, and nothing of others' touched."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from slave_agent.systemd import accounts, unit_files, whole_files
from slave_agent.systemd.errors import Refused, SystemdError
from slave_agent.systemd.service_config import FieldProblem
from slave_agent.systemd.service_generator import is_untouched, parse_unit
from slave_agent.systemd.states import UnitVerb
from slave_agent.systemd.unit_files import Stage, UnitFileState
from tests.support.app_host import ANA, AppHost

UNIT, ENVIRONMENT, NOTE = "units/d8-app-shop.service", "apps/shop.env", "apps/shop.undo.json"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppHost:
    monkeypatch.setattr(accounts, "own_account", lambda: ANA)
    return AppHost(tmp_path)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_an_install_writes_unit_and_environment(host: AppHost) -> None:
    answer = host.operations.install_unit(host.document(environment={"B": "two words", "A": "1"}))
    assert answer == {
        "unit": "d8-app-shop.service",
        "interpreter": "/usr/bin/python3",
        "environment_names": ["A", "B"],
    }
    assert host.files() == {UNIT, ENVIRONMENT, NOTE}
    text = (host.tree / UNIT).read_text()
    assert is_untouched(text) and "two words" not in text
    assert parse_unit(text).script == "/srv/shop/main.py"
    assert host.operations.files.environment("shop") == {"B": "two words", "A": "1"}
    assert (mode(host.tree / UNIT), mode(host.tree / ENVIRONMENT), mode(host.tree / NOTE)) == (0o644, 0o600, 0o600)
    assert mode(host.place.apps) == 0o700
    assert "d8-app-shop.service" in host.units.loaded


def test_what_the_host_has_against_an_app_is_told_and_nothing_is_written(host: AppHost) -> None:
    host.problems = [FieldProblem("script", "is not there", "")]
    with pytest.raises(Refused) as refusal:
        host.operations.install_unit(host.document())
    assert refusal.value.problems == tuple(host.problems)
    assert host.files() == set()


def test_grammar_is_told_before_the_host_is_looked_at(host: AppHost) -> None:
    problems, interpreter = host.operations.check(host.document(kind="ruby", port=0))
    assert {one.field for one in problems} == {"kind", "port"} and interpreter is None
    assert host.looked_at == []


@pytest.mark.parametrize("user", ["root", "d8-agent", "daemon", "nobody-here"])
def test_another_user_than_the_own_one_is_refused(host: AppHost, user: str) -> None:
    problems, _ = host.operations.check(host.document(user=user))
    assert [one.field for one in problems] == ["user"]
    assert host.looked_at == []


@pytest.mark.parametrize(
    "name", ["", "*", "-H", "../x", "a@b", "hel*", "A", "a" * 49, "a\n", "a.service", 7, None, ["a"]]
)
def test_a_name_that_is_none_is_refused_by_every_verb(host: AppHost, name: object) -> None:
    verbs: list[Callable[[], object]] = [
        lambda: host.operations.install_unit(host.document() | {"name": name}),
        lambda: host.operations.restore_unit(name),
        lambda: host.operations.forget_previous(name),
        lambda: host.operations.remove_unit(name),
        lambda: host.operations.look(name),
        *(lambda verb=verb: host.operations.act(verb, name) for verb in UnitVerb),
    ]
    for verb in verbs:
        with pytest.raises(Refused) as refusal:
            verb()
        assert [one.field for one in refusal.value.problems] == ["name"]
    assert host.units.orders == [] and host.files() == set()


def test_a_unit_of_somebody_else_stays(host: AppHost) -> None:
    host.place.units.mkdir(parents=True)
    (host.tree / UNIT).write_text("[Service]\nExecStart=/bin/true\n")
    host.units.daemon_reload()
    for verb in (
        lambda: host.operations.install_unit(host.document()),
        lambda: host.operations.remove_unit("shop"),
        lambda: host.operations.act(UnitVerb.START, "shop"),
        lambda: host.operations.act(UnitVerb.STOP, "shop"),
    ):
        with pytest.raises(Refused, match="not D8's"):
            verb()
    assert (host.tree / UNIT).read_text() == "[Service]\nExecStart=/bin/true\n"
    assert host.files() == {UNIT} and host.units.orders == []


def test_a_link_in_the_units_place_is_somebody_elses(host: AppHost) -> None:
    host.place.units.mkdir(parents=True)
    (host.tree / UNIT).symlink_to("/dev/null")
    assert host.operations.files.state("shop") is UnitFileState.FOREIGN
    with pytest.raises(Refused):
        host.operations.install_unit(host.document())


def test_a_unit_of_that_name_in_another_folder_is_not_shadowed(host: AppHost) -> None:
    host.units.elsewhere["d8-app-shop.service"] = "/usr/lib/systemd/system/d8-app-shop.service"
    with pytest.raises(Refused, match="/usr/lib/systemd"):
        host.operations.install_unit(host.document())
    assert host.files() == set()


def test_what_systemd_would_not_take_is_never_where_it_counts(host: AppHost) -> None:
    host.units.faults = ("Command /srv/nothing is not executable",)
    with pytest.raises(SystemdError, match="not executable"):
        host.operations.install_unit(host.document())
    assert host.files() == set()
    assert list(host.place.locks.iterdir()) == []


def test_a_failed_reload_leaves_the_version_before(host: AppHost) -> None:
    host.operations.install_unit(host.document(environment={"A": "1"}))
    before = (host.tree / UNIT).read_text()
    host.operations.forget_previous("shop")
    host.units.refuses_reload = True
    with pytest.raises(SystemdError):
        host.operations.install_unit(host.document(environment={"A": "2"}, script="/srv/shop/new.py"))
    host.units.refuses_reload = False
    assert host.operations.look("shop")["environment_names"] == ["A"]
    host.operations.act(UnitVerb.STOP, "shop")  # whatever comes next finishes what was left
    assert (host.tree / UNIT).read_text() == before
    assert host.operations.files.environment("shop") == {"A": "1"}
    assert host.files() == {UNIT, ENVIRONMENT}


def test_the_version_before_comes_back(host: AppHost) -> None:
    host.operations.install_unit(host.document(environment={"A": "1"}))
    host.operations.forget_previous("shop")
    before = (host.tree / UNIT).read_text()
    host.operations.install_unit(host.document(environment={"A": "2"}, script="/srv/shop/new.py"))
    assert host.operations.look("shop") == {"file": "untouched", "environment_names": ["A"], "has_previous": True}
    assert host.operations.restore_unit("shop") is True
    assert (host.tree / UNIT).read_text() == before
    assert host.units.loaded["d8-app-shop.service"] == before
    assert host.operations.files.environment("shop") == {"A": "1"}
    assert host.operations.restore_unit("shop") is False


def test_restoring_a_first_install_leaves_nothing(host: AppHost) -> None:
    host.operations.install_unit(host.document())
    host.operations.act(UnitVerb.ENABLE, "shop")
    host.operations.act(UnitVerb.START, "shop")
    assert host.operations.restore_unit("shop") is True
    assert host.files() == set()
    assert (host.units.running, host.units.enabled, host.units.loaded) == (set(), set(), {})


def test_an_environment_that_is_kept_takes_a_patch(host: AppHost) -> None:
    host.operations.install_unit(host.document(environment={"A": "1", "B": "2"}))
    patch = {"B": None, "C": "3"}
    assert host.operations.check(host.document(environment=patch), keep_environment=True)[0] == []
    answer = host.operations.install_unit(host.document(environment=patch), keep_environment=True)
    assert answer["environment_names"] == ["A", "C"]
    assert host.operations.files.environment("shop") == {"A": "1", "C": "3"}
    host.operations.install_unit(host.document())
    assert host.operations.files.environment("shop") == {}


def test_a_null_in_a_whole_environment_is_a_problem(host: AppHost) -> None:
    problems, _ = host.operations.check(host.document(environment={"A": None}))
    assert [one.field for one in problems] == ["environment"]


def test_removing_leaves_nothing_and_can_be_repeated(host: AppHost) -> None:
    host.operations.install_unit(host.document(environment={"A": "1"}))
    host.operations.act(UnitVerb.ENABLE, "shop")
    host.operations.act(UnitVerb.START, "shop")
    drop_in = host.place.drop_ins("shop") / "override.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\n")
    assert host.operations.remove_unit("shop") is True
    assert host.files() == set() and not drop_in.parent.exists()
    assert (host.units.running, host.units.enabled, host.units.loaded) == (set(), set(), {})
    assert host.operations.remove_unit("shop") is False


def test_what_does_not_stop_is_not_forgotten(host: AppHost) -> None:
    host.operations.install_unit(host.document())
    host.operations.act(UnitVerb.START, "shop")
    host.units.never_stops = True
    with pytest.raises(SystemdError, match="does not stop"):
        host.operations.remove_unit("shop")
    assert UNIT in host.files()
    host.units.never_stops = False
    assert host.operations.remove_unit("shop") is True
    assert host.files() == set()


def test_a_start_looks_again_at_who_could_have_changed_the_script(host: AppHost) -> None:
    host.operations.install_unit(host.document())
    host.path_problems = [FieldProblem("script", "a link has taken its place", "")]
    for verb in (UnitVerb.START, UnitVerb.RESTART):
        with pytest.raises(Refused) as refusal:
            host.operations.act(verb, "shop")
        assert refusal.value.problems == tuple(host.path_problems)
    assert host.programs_looked_at == ["/usr/bin/python3"] * 2, "the unit's, though the app names none"
    assert host.units.running == set()
    assert host.operations.act(UnitVerb.STOP, "shop").exit_code == 0


def test_a_start_clears_the_count_of_failed_ones(host: AppHost) -> None:
    host.operations.install_unit(host.document())
    host.operations.act(UnitVerb.START, "shop")
    assert host.units.orders == [("reset-failed", "d8-app-shop.service"), ("start", "d8-app-shop.service")]


def test_a_running_app_may_keep_its_port(host: AppHost) -> None:
    host.operations.install_unit(host.document(port=8123))
    host.operations.check(host.document(port=8123))
    host.operations.act(UnitVerb.START, "shop")
    host.operations.check(host.document(port=8123))
    host.operations.check(host.document(port=8124))
    assert [config.port for config in host.looked_at] == [8123, 8123, None, 8124]


@pytest.mark.parametrize("hand", [AppHost.by_hand, lambda host: edit(host)], ids=["removed", "edited"])
def test_a_running_app_keeps_its_port_whatever_a_hand_did_to_its_unit(
    host: AppHost, hand: Callable[[AppHost], None]
) -> None:
    host.operations.install_unit(host.document(port=8123))
    host.operations.act(UnitVerb.START, "shop")
    hand(host)
    host.looked_at.clear()
    host.listening[8123] = "d8-app-other.service"
    host.operations.check(host.document(port=8123))
    host.listening[8123] = "d8-app-shop.service"
    host.operations.check(host.document(port=8123))
    host.operations.act(UnitVerb.STOP, "shop")
    host.operations.check(host.document(port=8123))
    assert [config.port for config in host.looked_at] == [8123, None, 8123]


def edit(host: AppHost) -> None:
    with (host.tree / UNIT).open("a") as unit:
        unit.write("Nice=5\n")


def test_stop_and_disable_need_no_unit_file(host: AppHost) -> None:
    host.operations.install_unit(host.document(environment={"A": "1"}))
    host.operations.act(UnitVerb.START, "shop")
    link = host.place.boot_link("shop")
    link.parent.mkdir()
    link.symlink_to(host.place.unit("shop"))
    host.by_hand()
    host.operations.act(UnitVerb.DISABLE, "shop")
    assert not link.is_symlink() and host.units.running == {"d8-app-shop.service"}
    assert host.operations.act(UnitVerb.STOP, "shop").exit_code == 0
    assert host.units.running == set() and UNIT not in host.files()
    for verb in (UnitVerb.START, UnitVerb.RESTART, UnitVerb.ENABLE):
        with pytest.raises(Refused, match="no app"):
            host.operations.act(verb, "shop")


def test_stop_leaves_a_unit_of_that_name_in_another_folder_alone(host: AppHost) -> None:
    host.units.elsewhere["d8-app-shop.service"] = "/usr/lib/systemd/system/d8-app-shop.service"
    for verb in (UnitVerb.STOP, UnitVerb.DISABLE):
        with pytest.raises(Refused, match="/usr/lib/systemd"):
            host.operations.act(verb, "shop")
    assert host.units.orders == []


def test_a_missing_unit_that_can_not_be_written_again_costs_no_environment(
    host: AppHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.operations.install_unit(host.document(environment={"A": "1"}))
    host.operations.forget_previous("shop")
    host.by_hand()

    def full(path: Path, text: str, mode: int) -> None:
        if path == host.place.unit("shop"):
            raise OSError(errno.ENOSPC, "No space left on device")
        whole_files.write_whole(path, text, mode)

    with monkeypatch.context() as patch:
        patch.setattr(unit_files, "write_whole", full)
        with pytest.raises(OSError, match="No space"):
            host.operations.install_unit(host.document(), keep_environment=True)
    assert host.files() == {ENVIRONMENT}
    host.operations.install_unit(host.document(), keep_environment=True)
    assert host.operations.files.environment("shop") == {"A": "1"}


def test_a_full_disk_keeps_nobody_from_stopping_and_removing(host: AppHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.operations.install_unit(host.document(environment={"A": "1"}))
    host.operations.install_unit(host.document(environment={"A": "2"}))
    host.operations.act(UnitVerb.START, "shop")
    host.operations.files.mark("shop", Stage.WRITING)  # a change that could not be finished

    def full(path: Path, text: str, mode: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(unit_files, "write_whole", full)
    with pytest.raises(OSError, match="No space"):
        host.operations.act(UnitVerb.START, "shop")
    assert host.operations.act(UnitVerb.DISABLE, "shop").exit_code == 0
    assert host.operations.act(UnitVerb.STOP, "shop").exit_code == 0
    assert host.units.running == set()
    assert host.operations.remove_unit("shop") is True
    assert host.files() == set()


def test_an_app_can_have_nothing_started_that_does_not_run_anyway(host: AppHost) -> None:
    host.units.elsewhere["postgresql.service"] = "/usr/lib/systemd/system/postgresql.service"
    good = host.document(wants=["postgresql.service", "network-online.target", "d8-app-other.service"])
    assert host.operations.check(good)[0] == []
    problems, _ = host.operations.check(host.document(wants=["rescue.target", "postgresql.service"]))
    assert [one.field for one in problems] == ["wants"] and "rescue.target" in problems[0].message


def test_an_edit_by_hand_is_seen_and_the_app_can_still_be_had(host: AppHost) -> None:
    host.operations.install_unit(host.document())
    with (host.tree / UNIT).open("a") as unit:
        unit.write("Nice=5\n")
    assert host.operations.look("shop")["file"] == "edited"
    assert host.operations.act(UnitVerb.START, "shop").exit_code == 0
    host.operations.install_unit(host.document())
    assert host.operations.look("shop")["file"] == "untouched"


def test_the_installed_apps_are_listed(host: AppHost) -> None:
    for name in ("shop", "api"):
        host.operations.install_unit(host.document(name))
    (host.place.units / "d8-app-theirs.service").write_text("[Service]\n")
    (host.place.units / "d8-app-BAD.service").write_text((host.tree / UNIT).read_text())
    assert host.operations.installed() == ("api", "shop")


class Killed(BaseException):
    """The process ended at this point."""


def killing_at(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the process end before its `count`-th change of the disk."""
    left = [count]

    def step(original: Callable[..., None]) -> Callable[..., None]:
        def before(*given: object) -> None:
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            original(*given)

        return before

    monkeypatch.setattr(unit_files, "write_whole", step(whole_files.write_whole))
    monkeypatch.setattr(unit_files, "remove_whole", step(whole_files.remove_whole))


def interrupted(host: AppHost, count: int, verb: Callable[[], object]) -> bool:
    """Whether the verb was killed before its `count`-th change; nothing runs after that, as after SIGKILL."""
    with pytest.MonkeyPatch.context() as patch:
        killing_at(count, patch)
        patch.setattr(type(host.operations), "finish", lambda *_: None)  # what an exception would still have done
        try:
            verb()
        except Killed:
            return True
        return False


@pytest.mark.parametrize("count", range(6))
def test_a_killed_first_install_is_gone_or_whole_after_the_next_call(host: AppHost, count: int) -> None:
    was_killed = interrupted(host, count, lambda: host.operations.install_unit(host.document(environment={"A": "1"})))
    assert was_killed is (count < 4)
    assert host.operations.installed() == (("shop",) if not was_killed else ())
    assert host.files() == ({UNIT, ENVIRONMENT, NOTE} if not was_killed else set())


@pytest.mark.parametrize("count", range(6))
def test_a_killed_change_is_undone_or_whole_after_the_next_call(host: AppHost, count: int) -> None:
    host.operations.install_unit(host.document(environment={"A": "1"}))
    host.operations.forget_previous("shop")
    before = (host.tree / UNIT).read_text()
    change = host.document(environment={"A": "2"}, script="/srv/shop/new.py")
    was_killed = interrupted(host, count, lambda: host.operations.install_unit(change))
    host.operations.installed()
    text, values = (host.tree / UNIT).read_text(), host.operations.files.environment("shop")
    assert (text == before, values) == (was_killed, {"A": "1" if was_killed else "2"})
    assert host.units.loaded["d8-app-shop.service"] == text
    assert host.files() == ({UNIT, ENVIRONMENT} if was_killed else {UNIT, ENVIRONMENT, NOTE})


def test_a_killed_removal_is_finished_by_the_next_call(host: AppHost, monkeypatch: pytest.MonkeyPatch) -> None:
    for count in range(5):
        host.operations.install_unit(host.document(environment={"A": "1"}))
        host.operations.act(UnitVerb.START, "shop")
        with monkeypatch.context() as patch:
            killing_at(count, patch)
            try:
                host.operations.remove_unit("shop")
            except Killed:
                pass
        host.operations.installed()
        if count == 0:  # killed before anything was written down: it is whole
            assert {UNIT, ENVIRONMENT} <= host.files()
        else:
            assert host.files() == set()
            assert host.units.running == set()


def test_a_removal_takes_away_what_was_added_by_hand(host: AppHost) -> None:
    host.operations.install_unit(host.document())
    host.units.controlled = {"d8-app-shop.service", "other.service"}
    host.operations.remove_unit("shop")
    assert host.units.controlled == {"other.service"}
