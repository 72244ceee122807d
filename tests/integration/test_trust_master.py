"""The master's part of trust against a real agent: rotation that survives being killed anywhere, revocation that waits,
tokens for others, and what the doctor says of it.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from d8.actions import rotation
from d8.actions.access import grant, granted, revoke_token, slave_audit
from d8.actions.catch_up import catch_up, ending_soon
from d8.actions.checks import CheckState
from d8.actions.remove import remove_slave
from d8.actions.revocation import revoke
from d8.actions.rotation import rotate, rotate_all
from d8.actions.trust import show_trust
from d8.actions.trust_checks import check_trust
from d8.actions.workplace import Workplace
from d8.build.unfinished import only_builder_of
from d8.errors import Refused, SlaveUnreachable, UsageError
from d8.fleet.agent_client import SlaveClient
from d8.fleet.connection import PLAIN, TrustEnded, connect
from d8.fleet.names import Address
from d8.fleet.registry import Registry
from d8.fleet.trust import FleetAuthority, token_hash
from d8.menu.views.results import draw_removal, draw_trust
from d8.menu.views.screen import Screen
from d8.models import Credential, CredentialKind, PendingKind, Slave, TokenScope
from tests.support.agent_process import RunningAgent, asked_of_activation, running_agent
from tests.support.fakes import make_settings, make_slave

NOW = datetime.now(UTC)


class Killed(BaseException):
    """Stands for kill -9: nothing of ours catches it."""


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[RunningAgent]:
    with running_agent(tmp_path, kind="agent") as running:
        yield running


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Workplace]:
    made = Workplace(make_settings(tmp_path / "master"))
    yield made
    made.close()


@pytest.fixture
def slave(agent: RunningAgent, workplace: Workplace) -> Slave:
    """The agent as a registered slave, whose credential the master has."""
    machine_id = agent.get("/api/system").document["machine_id"]
    registered = make_slave(address="127.0.0.1", port=agent.port, machine_id=machine_id)
    workplace.registry.save_slave(registered)
    known = Credential(CredentialKind.AGENT, str(agent.fingerprint), agent.token, registered.slave_id)
    workplace.registry.save_credential(known, NOW - timedelta(days=30))
    return registered


def credentials(workplace: Workplace, slave: Slave) -> list[Credential]:
    return workplace.registry.credentials(CredentialKind.AGENT, slave.slave_id)


def is_alive(agent: RunningAgent, token: str) -> bool:
    return agent.get("/api/version", token=token).status == 200


def test_a_rotation_leaves_one_new_credential_and_the_old_one_dead(
    agent: RunningAgent, workplace: Workplace, slave: Slave
) -> None:
    show_trust(workplace)
    done = rotate(workplace, slave)
    [new] = credentials(workplace, slave)
    assert new.token != agent.token
    assert not is_alive(agent, agent.token)
    assert is_alive(agent, new.token)
    assert agent.get("/api/health", token=None).fingerprint == new.fingerprint
    assert done.ends == new.ends
    assert done.ends is not None and done.ends - NOW > timedelta(days=390)
    assert workplace.registry.pending.all() == []
    header = workplace.settings.data_dir / "pki" / f"{slave.slave_id}.header"
    assert not header.exists()
    show_trust(workplace)
    assert new.token in header.read_text()
    [deed] = workplace.registry.audit.newest(10)
    assert (deed.action, deed.subject, deed.result) == ("trust-rotate", slave.slave_id, "done")
    assert deed.actor


@pytest.fixture
def rescue(workplace: Workplace, slave: Slave) -> Credential:
    """What opens the slave's bootstrap."""
    known = Credential(CredentialKind.RESCUE, "the bootstrap's certificate", "what was stolen", slave.slave_id)
    workplace.registry.save_credential(known, NOW - timedelta(days=30))
    return known


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the agent was told about the token of the bootstrap, in order."""
    told: list[dict[str, Any]] = []
    send = SlaveClient.replace_rescue

    def listen(client: SlaveClient, order: str) -> dict[str, Any]:
        told.append(json.loads(json.loads(base64.urlsafe_b64decode(order))["order"]))
        return send(client, order)

    monkeypatch.setattr(SlaveClient, "replace_rescue", listen)
    return told


def test_a_rotation_ends_the_token_of_the_bootstrap_too(
    agent: RunningAgent, workplace: Workplace, slave: Slave, rescue: Credential, orders: list[dict[str, Any]]
) -> None:
    done = rotate(workplace, slave)
    assert done.as_json()["bootstrap_kept"] is None
    [now] = workplace.registry.credentials(CredentialKind.RESCUE, slave.slave_id)
    assert (now.fingerprint, now.next_token) == (rescue.fingerprint, None)
    assert now.token != rescue.token
    [order] = orders
    assert (order["token_sha256"], order["replaces"]) == (token_hash(now.token), [token_hash(rescue.token)])
    assert asked_of_activation(agent)[0] == "rescue"


def test_a_token_of_the_bootstrap_whose_acknowledgement_got_lost_is_known_and_sent_again(
    workplace: Workplace, slave: Slave, rescue: Credential, orders: list[dict[str, Any]]
) -> None:
    undo = killed_at(Registry, "take_token", comes_first=True)
    with pytest.raises(Killed):
        rotate(workplace, slave)
    undo()
    [between] = workplace.registry.credentials(CredentialKind.RESCUE, slave.slave_id)
    assert between.token == rescue.token and between.next_token is not None
    assert orders[0]["token_sha256"] == token_hash(between.next_token)
    [tried] = catch_up(workplace)
    assert tried.is_settled, tried.reason
    assert orders[1]["token_sha256"] == orders[0]["token_sha256"]
    [now] = workplace.registry.credentials(CredentialKind.RESCUE, slave.slave_id)
    assert (now.token, now.next_token) == (between.next_token, None)


def test_a_revocation_ends_the_token_of_the_bootstrap_too(
    workplace: Workplace, slave: Slave, rescue: Credential, orders: list[dict[str, Any]]
) -> None:
    done = revoke(workplace, slave)
    assert done.is_done and not done.warning
    [order] = orders
    assert order["replaces"] == [token_hash(rescue.token)]
    assert workplace.registry.credentials(CredentialKind.RESCUE, slave.slave_id) == []


def test_a_master_killed_in_a_revocation_ends_the_bootstraps_token_once(
    workplace: Workplace, slave: Slave, rescue: Credential, orders: list[dict[str, Any]]
) -> None:
    undo = killed_at(SlaveClient, "revoke", comes_first=True)
    with pytest.raises(Killed):
        revoke(workplace, slave)
    undo()
    [done] = catch_up(workplace)
    assert done.is_settled, done.reason
    assert orders[0]["token_sha256"] in orders[1]["replaces"]
    assert workplace.registry.credentials(CredentialKind.RESCUE, slave.slave_id) == []


@pytest.mark.parametrize("order", [rotate, revoke])
def test_a_slave_that_keeps_the_token_of_its_bootstrap_is_told_and_written_down(
    agent: RunningAgent, workplace: Workplace, slave: Slave, rescue: Credential, order: Callable[..., Any]
) -> None:
    (agent.folder / "release" / "d8-activate").write_text(
        "import json, sys; print(json.dumps({'ok': True} if sys.argv[1] != 'rescue' else {'error': 'no bootstrap'}))"
    )
    done = order(workplace, slave)
    said = done.as_json()["bootstrap_kept"] if order is rotate else done.as_json()["warning"]
    assert "no bootstrap" in said
    assert not is_alive(agent, agent.token)
    known = [one.token for one in workplace.registry.credentials(CredentialKind.RESCUE, slave.slave_id)]
    assert known == ([rescue.token] if order is rotate else [])
    [deed] = workplace.registry.audit.newest(10)
    assert deed.result.startswith("done, but its bootstrap: ") and "no bootstrap" in deed.result


def test_a_slave_that_is_updated_meanwhile_keeps_its_credential(
    agent: RunningAgent, workplace: Workplace, slave: Slave
) -> None:
    before = [one.token for one in credentials(workplace, slave)]
    with only_builder_of(workplace.settings.data_dir / "build_logs", Address(slave.address, slave.port)):
        with pytest.raises(Refused, match="works on"):
            rotate(workplace, slave)
        assert [one.token for one in credentials(workplace, slave)] == before
        assert workplace.registry.pending.all() == []
    rotate(workplace, slave)
    assert not is_alive(agent, agent.token)


def killed_at(owner: Any, name: str, comes_first: bool) -> Callable[[], None]:
    """Have the process "killed" before or after a call; return what undoes that."""
    original = getattr(owner, name)
    context = pytest.MonkeyPatch.context()
    patched = context.__enter__()

    def killed(*arguments: Any, **options: Any) -> Any:
        if not comes_first:
            original(*arguments, **options)
        raise Killed

    patched.setattr(owner, name, killed)

    def undo() -> None:
        context.__exit__(None, None, None)

    return undo


POINTS = [
    ("before the credential is made", rotation, "issue", True),
    ("before it is sent", SlaveClient, "enroll", True),
    ("after it was sent", SlaveClient, "enroll", False),
    ("before the bootstrap's is sent", SlaveClient, "replace_rescue", True),
    ("after the bootstrap's was sent", SlaveClient, "replace_rescue", False),
    ("before it is confirmed", SlaveClient, "confirm", True),
    ("after it was confirmed", SlaveClient, "confirm", False),
    ("before the old one is forgotten", Registry, "drop_credentials", True),
    ("after the old one was forgotten", Registry, "drop_credentials", False),
]


@pytest.mark.parametrize(("owner", "name", "comes_first"), [one[1:] for one in POINTS], ids=[one[0] for one in POINTS])
def test_a_master_killed_anywhere_in_a_rotation_knows_a_way_in_and_finishes_it(
    agent: RunningAgent,
    workplace: Workplace,
    slave: Slave,
    owner: Any,
    name: str,
    comes_first: bool,
) -> None:
    undo = killed_at(owner, name, comes_first)
    try:
        with pytest.raises(Killed):
            rotate(workplace, slave)
    finally:
        undo()
    assert any(is_alive(agent, one.token) for one in credentials(workplace, slave)), "the master is locked out"
    assert [one.kind for one in workplace.registry.pending.all()] == [PendingKind.ROTATE]

    agent.kill()  # and the agent as well
    agent.restart()
    [tried] = catch_up(workplace)
    assert tried.is_settled, tried.reason
    [only] = credentials(workplace, slave)
    assert is_alive(agent, only.token)
    assert not is_alive(agent, agent.token)
    assert workplace.registry.pending.all() == []
    assert catch_up(workplace) == []


def test_an_agent_killed_between_enrolment_and_confirmation_is_finished_later(
    agent: RunningAgent, workplace: Workplace, slave: Slave, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirm = SlaveClient.confirm
    monkeypatch.setattr(rotation, "CONFIRM_SECONDS", 0.0)

    def confirm_of_a_dead_agent(client: SlaveClient) -> Any:
        agent.kill()
        return confirm(client)

    with monkeypatch.context() as patched:
        patched.setattr(SlaveClient, "confirm", confirm_of_a_dead_agent)
        with pytest.raises(SlaveUnreachable):
            rotate(workplace, slave)
    [owed] = workplace.registry.pending.all()
    assert owed.kind is PendingKind.ROTATE
    agent.restart()
    assert [one.is_settled for one in catch_up(workplace)] == [True]
    assert not is_alive(agent, agent.token)


def test_another_machine_at_the_address_gets_nothing(workplace: Workplace, slave: Slave) -> None:
    moved = replace(slave, machine_id="b" * 32)
    workplace.registry.save_slave(moved)
    with pytest.raises(Refused, match="another machine"):
        rotate(workplace, moved)
    assert len(credentials(workplace, slave)) == 1
    assert workplace.registry.pending.all() == []


def test_one_slave_that_is_off_leaves_the_others_alone(workplace: Workplace, slave: Slave) -> None:
    off = make_slave(slave_id="slave-off", address="127.0.0.1", port=1, machine_id="c" * 32)
    first, second = rotate_all(workplace, [off, slave])
    assert first.error is not None
    assert second.error is None
    assert workplace.registry.pending.all() == [], "nothing was begun there: nothing is owed"
    deeds = {(deed.action, deed.subject, deed.result) for deed in workplace.registry.audit.newest(10)}
    assert deeds == {("trust-rotate", "slave-off", "unreachable"), ("trust-rotate", slave.slave_id, "done")}


def test_a_certificate_is_renewed_sixty_days_before_its_end(workplace: Workplace, slave: Slave) -> None:
    rotate(workplace, slave)
    [fresh] = credentials(workplace, slave)
    assert fresh.ends is not None
    assert ending_soon(workplace, fresh.ends - timedelta(days=61)) == []
    assert catch_up(workplace, fresh.ends - timedelta(days=61)) == []
    assert ending_soon(workplace, fresh.ends - timedelta(days=59)) == [slave]
    [tried] = catch_up(workplace, fresh.ends - timedelta(days=59))
    assert tried.is_settled
    [renewed] = credentials(workplace, slave)
    assert renewed.fingerprint != fresh.fingerprint


def test_a_certificate_that_a_clock_ahead_has_made_is_replaced(workplace: Workplace, slave: Slave) -> None:
    known = Credential(CredentialKind.AGENT, "made ahead", "t", slave.slave_id, ends=NOW + timedelta(days=397 + 400))
    workplace.registry.save_credential(known, NOW)
    assert ending_soon(workplace, NOW) == [slave]
    assert [check.state for check in check_trust(workplace, NOW)][1] is CheckState.WARNING
    workplace.registry.drop_credentials(slave.slave_id, CredentialKind.AGENT, kept="")
    workplace.registry.save_credential(replace(known, ends=NOW + timedelta(days=397)), NOW)
    assert ending_soon(workplace, NOW) == []


def test_a_revoked_slave_lets_nobody_in(agent: RunningAgent, workplace: Workplace, slave: Slave) -> None:
    token = grant(workplace, slave, "ci", TokenScope.MANAGE).token
    assert is_alive(agent, token)
    assert revoke(workplace, slave).is_done
    assert not is_alive(agent, token)
    assert not is_alive(agent, agent.token)
    assert credentials(workplace, slave) == []
    assert workplace.registry.pending.all() == []


def test_a_revocation_of_a_slave_that_is_off_waits_and_is_done_when_it_is_back(
    agent: RunningAgent, workplace: Workplace, slave: Slave
) -> None:
    agent.kill()
    waiting = revoke(workplace, slave)
    assert not waiting.is_done
    assert slave.slave_id in str(waiting.warning)
    [owed] = workplace.registry.pending.all()
    assert (owed.kind, owed.tries) == (PendingKind.REVOKE, 1)
    [still] = catch_up(workplace)
    assert not still.is_settled
    assert workplace.registry.pending.all()[0].tries == 2
    assert CheckState.WARNING in [check.state for check in check_trust(workplace, NOW)]
    agent.restart()
    assert is_alive(agent, agent.token)
    [done] = catch_up(workplace)
    assert done.is_settled, done.reason
    assert not is_alive(agent, agent.token)
    assert workplace.registry.pending.all() == []


def test_a_rotation_does_not_settle_a_revocation_that_is_owed(
    agent: RunningAgent, workplace: Workplace, slave: Slave
) -> None:
    grant(workplace, slave, "ci", TokenScope.READ)
    agent.kill()
    assert not revoke(workplace, slave).is_done
    agent.restart()
    rotate(workplace, slave)
    assert [one.kind for one in workplace.registry.pending.all()] == [PendingKind.REVOKE]
    [done] = catch_up(workplace)
    assert done.is_settled, done.reason
    assert workplace.registry.pending.all() == [] and credentials(workplace, slave) == []


def test_a_revocation_whose_answer_got_lost_is_settled_by_the_next_try(
    agent: RunningAgent, workplace: Workplace, slave: Slave
) -> None:
    undo = killed_at(SlaveClient, "revoke", comes_first=False)
    with pytest.raises(Killed):
        revoke(workplace, slave)
    undo()
    assert not is_alive(agent, agent.token)
    [done] = catch_up(workplace)
    assert done.is_settled, done.reason


def test_a_removal_says_how_many_apps_went_with_the_slave(
    agent: RunningAgent, workplace: Workplace, slave: Slave, monkeypatch: pytest.MonkeyPatch
) -> None:
    def uninstall(client: SlaveClient) -> dict[str, object]:
        agent.kill()
        return {"accepted": True, "apps_removed": 3}

    monkeypatch.setattr(SlaveClient, "uninstall", uninstall)
    removal = remove_slave(workplace, slave.slave_id, forget=False)
    assert (removal.is_uninstalled, removal.as_json()["apps_removed"]) == (True, 3)
    said = io.StringIO()
    draw_removal(Screen(console=Console(file=said)), removal)
    assert "removed with it: 3" in said.getvalue()


def test_a_removal_of_a_slave_that_is_off_waits_with_its_token_and_can_be_forgotten(
    agent: RunningAgent, workplace: Workplace, slave: Slave
) -> None:
    show_trust(workplace)
    agent.kill()
    removal = remove_slave(workplace, slave.slave_id, forget=False)
    assert not list((workplace.settings.data_dir / "pki").glob("*.header"))
    assert (removal.is_uninstalled, removal.is_pending) == (False, True)
    assert workplace.registry.slaves() == []
    assert len(credentials(workplace, slave)) == 1, "without its token the removal could never be told"
    [owed] = workplace.registry.pending.all()
    assert (owed.kind, owed.slave) == (PendingKind.REMOVE, slave)
    forgotten = remove_slave(workplace, slave.slave_id, forget=True)
    assert not forgotten.is_pending
    assert workplace.registry.pending.all() == []
    assert credentials(workplace, slave) == []
    with pytest.raises(UsageError):
        remove_slave(workplace, slave.slave_id, forget=True)


def test_a_slave_whose_trust_was_ended_is_shown_as_that_and_can_leave_the_fleet(
    agent: RunningAgent, workplace: Workplace, slave: Slave
) -> None:
    assert revoke(workplace, slave).is_done
    [line] = show_trust(workplace).lines
    said = io.StringIO()
    draw_trust(Screen(console=Console(file=said, width=200)), show_trust(workplace))
    assert line.ended and "was ended" in said.getvalue() and "--uninstall there" in said.getvalue()
    with pytest.raises(TrustEnded):
        connect(Address(slave.address, slave.port), workplace.settings, workplace.registry)
    workplace.registry.pending.begin(slave, PendingKind.REVOKE, NOW)  # killed before it was settled
    assert [one.is_settled for one in catch_up(workplace)] == [True]
    removal = remove_slave(workplace, slave.slave_id, forget=False)
    assert (removal.is_uninstalled, removal.is_pending) == (False, False)
    assert "sh install_slave_….sh --uninstall" in str(removal.warning)
    assert workplace.registry.slaves() == workplace.registry.pending.all() == []
    assert agent.get("/api/health", token=None).status == 200


def test_tokens_for_others(agent: RunningAgent, workplace: Workplace, slave: Slave) -> None:
    made = grant(workplace, slave, "prometheus", TokenScope.READ)
    assert is_alive(agent, made.token)
    assert made.token not in repr(made)
    [listed] = granted(workplace, slave)
    assert (listed["name"], listed["scope"]) == ("prometheus", "read")
    stored = b"".join(path.read_bytes() for path in sorted(workplace.settings.data_dir.rglob("*")) if path.is_file())
    assert made.token.encode() not in stored
    revoke_token(workplace, slave, "prometheus")
    assert not is_alive(agent, made.token)
    with pytest.raises(UsageError, match="prometheus"):
        revoke_token(workplace, slave, "prometheus")
    with pytest.raises(UsageError):
        grant(workplace, slave, "../x", TokenScope.READ)
    whats = [entry["what"] for entry in slave_audit(workplace, slave, 50)]
    assert "PUT /api/agent/tokens/prometheus" in whats
    deeds = [(deed.action, deed.result) for deed in workplace.registry.audit.newest(10)]
    assert deeds == [("trust-grant", "read"), ("trust-revoke-token", "done"), ("trust-revoke-token", "wrong_usage")]


def test_the_doctor_notices_a_lost_and_a_foreign_authority(workplace: Workplace, slave: Slave) -> None:
    rotate(workplace, slave)
    assert {check.state for check in check_trust(workplace, NOW)} == {CheckState.OK}
    pki = workplace.settings.data_dir / "pki"
    for name in ("d8-ca.pem", "d8-ca.key"):
        (pki / name).unlink()
    lost = check_trust(workplace, NOW)[0]
    assert (lost.state, slave.slave_id in str(lost.outcome)) == (CheckState.FAILED, True)
    FleetAuthority(pki).certificate  # noqa: B018  somebody generates another one
    assert check_trust(workplace, NOW)[0].state is CheckState.FAILED
    rotate(workplace, slave)  # the pin, not the authority, lets the master in: so it can mend this
    assert {check.state for check in check_trust(workplace, NOW)} == {CheckState.OK}


def test_without_tls_a_token_is_rotated_and_revoked_all_the_same(tmp_path: Path) -> None:
    place = Workplace(make_settings(tmp_path / "master", D8_TLS="off"))
    with running_agent(tmp_path, kind="agent", tls=False) as plain:
        machine_id = plain.get("/api/system").document["machine_id"]
        slave = make_slave(address="127.0.0.1", port=plain.port, machine_id=machine_id, tls=False)
        place.registry.save_slave(slave)
        mark = f"{PLAIN}{token_hash(plain.token)}"
        place.registry.save_credential(Credential(CredentialKind.AGENT, mark, plain.token, slave.slave_id), NOW)
        undo = killed_at(SlaveClient, "enroll", comes_first=True)
        with pytest.raises(Killed):
            rotate(place, slave)
        undo()
        assert len(credentials(place, slave)) == 2, "the one that was never sent is known, and no obstacle"
        [finished] = catch_up(place)
        assert finished.is_settled, finished.reason
        [new] = credentials(place, slave)
        assert new.ends is None
        assert is_alive(plain, new.token)
        assert not is_alive(plain, plain.token)
        undo = killed_at(SlaveClient, "revoke", comes_first=False)
        with pytest.raises(Killed):
            revoke(place, slave)
        undo()
        [done] = catch_up(place)
        assert done.is_settled, done.reason
        assert not is_alive(plain, new.token)
    place.close()
