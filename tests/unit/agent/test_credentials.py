from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from slave_agent.credentials import CredentialStore
from slave_agent.errors import CredentialsError
from slave_agent.models import Credential, Enrolment, OfferedKeyPair
from slave_agent.states import CredentialKind
from slave_agent.token_hashes import credential_for
from tests.support.agent_process import REPOSITORY, private_folder, write_credentials, write_private
from tests.support.pki import CertificateAuthority

AUTHORITY = CertificateAuthority()


def offer(token: str = "new token") -> Enrolment:
    pair = AUTHORITY.issue()
    key_pair = OfferedKeyPair(pair.certificate, pair.private_key, AUTHORITY.certificate)
    return Enrolment("slave-1", hashlib.sha256(token.encode()).hexdigest(), key_pair)


def with_pair(offered: Enrolment, **fields: str) -> Enrolment:
    assert offered.key_pair is not None
    return replace(offered, key_pair=replace(offered.key_pair, **fields))


@pytest.fixture
def store(tmp_path: Path) -> CredentialStore:
    write_credentials(tmp_path, "installer token", AUTHORITY.issue())
    store = CredentialStore(tmp_path / "state", needs_certificates=True)
    store.load()
    return store


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_an_enrolment_adds_a_token_and_shows_its_certificate(store: CredentialStore) -> None:
    shown: list[Credential] = []
    store.on_new_certificate = shown.append
    offered = offer()
    store.enrol(offered)
    assert [one.kind for one in store.credentials.accepted] == [CredentialKind.AGENT, CredentialKind.INSTALLER]
    assert shown == [store.credentials.pending]
    assert CredentialStore(store.path.parent, True).load() == store.credentials
    for path in store.path.parent.rglob("agent-*"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_repeating_an_enrolment_changes_nothing(store: CredentialStore) -> None:
    offered = offer()
    first = store.enrol(offered)
    before = content(store.path.parent)
    assert store.enrol(offered) == first
    assert content(store.path.parent) == before


def test_a_new_enrolment_replaces_the_pending_one(store: CredentialStore) -> None:
    store.enrol(offer("first"))
    second = offer("second")
    store.enrol(second)
    assert store.credentials.newest.token_sha256 == second.token_sha256
    assert len(store.credentials.accepted) == 2
    assert len(list(store.path.parent.rglob("agent-*"))) == 2


def test_confirm_leaves_only_the_newest(store: CredentialStore) -> None:
    store.enrol(offer())
    newest = store.credentials.newest
    store.confirm(newest)
    assert store.credentials.accepted == (newest,)
    store.confirm(newest)
    assert CredentialStore(store.path.parent, True).load().accepted == (newest,)


def test_only_the_newest_token_confirms(store: CredentialStore) -> None:
    installer = store.credentials.current
    with pytest.raises(CredentialsError, match="nothing was enrolled"):
        store.confirm(installer)
    store.enrol(offer())
    with pytest.raises(CredentialsError, match="newest"):
        store.confirm(installer)
    assert len(store.credentials.accepted) == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda offered: with_pair(offered, private_key=AUTHORITY.issue().private_key),
        lambda offered: with_pair(offered, certificate="nonsense"),
        lambda offered: with_pair(offered, ca_certificate=CertificateAuthority().certificate),
        lambda offered: with_pair(offered, ca_certificate="nonsense"),
        lambda offered: replace(offered, token_sha256=hashlib.sha256(b"").hexdigest()),
        lambda offered: replace(offered, token_sha256="short"),
        lambda offered: replace(offered, key_pair=None),
    ],
    ids=["other key", "no certificate", "other CA", "no CA", "empty token", "no hash", "no key pair"],
)
@pytest.mark.parametrize("is_enrolled", [False, True])
def test_a_failed_enrolment_changes_nothing(store: CredentialStore, spoil: object, is_enrolled: bool) -> None:
    good = offer()
    if is_enrolled:
        store.enrol(good)
    before, credentials = content(store.path.parent), store.credentials
    assert callable(spoil)
    with pytest.raises(CredentialsError):
        store.enrol(spoil(good))
    assert content(store.path.parent) == before
    assert store.credentials == credentials


def test_a_certificate_that_can_not_be_shown_is_taken_back(store: CredentialStore) -> None:
    def refuse(_credential: Credential) -> None:
        raise CredentialsError("no")

    store.on_new_certificate = refuse
    before, credentials = json.loads(store.path.read_text()), store.credentials
    with pytest.raises(CredentialsError):
        store.enrol(offer())
    assert json.loads(store.path.read_text()) == before
    assert store.credentials == credentials


def test_a_full_disk_changes_nothing(store: CredentialStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    before = content(store.path.parent)
    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(CredentialsError, match="No space"):
        store.enrol(offer())
    monkeypatch.undo()
    assert content(store.path.parent) == before


@pytest.mark.parametrize("name", [".", "credentials.json", "tls/installer.key"])
def test_what_others_can_read_is_refused(store: CredentialStore, name: str) -> None:
    (store.path.parent / name).chmod(0o755)
    with pytest.raises(CredentialsError, match="open to others"):
        CredentialStore(store.path.parent, True).load()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"token_sha256": ""}, "is empty"),
        ({"token_sha256": "   "}, "is empty"),
        ({"token_sha256": None}, "is empty"),
        ({"token_sha256": hashlib.sha256(b"changeme").hexdigest()}, "sample"),
        ({"kind": "rescue"}, "kind"),
        ({"private_key": None}, "no private key"),
        ({"private_key": "/nowhere"}, "/nowhere"),
    ],
)
def test_unusable_credentials_are_told(store: CredentialStore, fields: dict[str, object], told: str) -> None:
    document = json.loads(store.path.read_text())
    document["current"] |= fields
    write_private(store.path, json.dumps(document))
    with pytest.raises(CredentialsError) as failure:
        CredentialStore(store.path.parent, True).load()
    assert told in failure.value.message


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"slave_id": "x", "current": null}'])
def test_a_damaged_store_is_told(store: CredentialStore, text: str) -> None:
    write_private(store.path, text)
    with pytest.raises(CredentialsError, match=r"credentials\.json"):
        CredentialStore(store.path.parent, True).load()


def without_tls(tmp_path: Path) -> CredentialStore:
    current = {"token_sha256": hashlib.sha256(b"t-1").hexdigest(), "kind": "installer"}
    folder = private_folder(tmp_path / "state")
    document = {"slave_id": "s", "current": current | {"certificate": None, "private_key": None}, "pending": None}
    write_private(folder / "credentials.json", json.dumps(document))
    store = CredentialStore(folder, needs_certificates=False)
    store.load()
    return store


def test_without_tls_no_certificate_is_needed(tmp_path: Path) -> None:
    assert without_tls(tmp_path).credentials.current.certificate is None


def test_without_tls_a_token_alone_is_enrolled_and_confirmed(tmp_path: Path) -> None:
    store = without_tls(tmp_path)
    offered = replace(offer(), key_pair=None)
    for _ in range(2):
        assert store.enrol(offered) is None
    assert [one.kind for one in store.credentials.accepted] == [CredentialKind.AGENT, CredentialKind.INSTALLER]
    store.confirm(store.credentials.newest)
    [left] = CredentialStore(store.path.parent, needs_certificates=False).load().accepted
    assert (left.token_sha256, left.certificate, left.private_key) == (offered.token_sha256, None, None)
    assert list(store.path.parent.rglob("agent-*")) == []


KILLED_WHILE_ENROLLING = """
import json, os, signal, sys
from pathlib import Path
from slave_agent.credentials import CredentialStore
from slave_agent.models import Enrolment, OfferedKeyPair
steps = int(sys.argv[2])
def counted(call):
    def wrapper(*a, **k):
        global steps
        steps -= 1
        if steps < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*a, **k)
    return wrapper
store = CredentialStore(Path(sys.argv[1]), True)
store.load()
fields = json.load(sys.stdin)
offered = Enrolment(**{**fields, "key_pair": OfferedKeyPair(**fields["key_pair"])})
for name in ("open", "fsync", "replace", "rename", "unlink", "fchmod"):
    setattr(os, name, counted(getattr(os, name)))
store.enrol(offered)
store.confirm(store.credentials.newest)
"""


def test_killed_between_any_two_steps_it_is_the_old_or_the_new_one(store: CredentialStore) -> None:
    """Every point at which enrolling and confirming touch the disk."""
    folder = store.path.parent
    original = content(folder)
    offered = offer()
    for steps in range(200):
        done = subprocess.run(
            [sys.executable, "-c", KILLED_WHILE_ENROLLING, str(folder), str(steps)],
            input=json.dumps(asdict(offered)).encode(),
            cwd=REPOSITORY,
            check=False,
        )
        after = CredentialStore(folder, True).load()
        assert after.newest.token_sha256 in (store.credentials.current.token_sha256, offered.token_sha256)
        if done.returncode == 0:
            assert steps > 10
            assert after.accepted == (after.newest,)
            return
        for path in folder.rglob("*"):
            if path.is_file():
                path.unlink()
        for name, data in original.items():
            write_private(folder / name, data.decode())
    pytest.fail("it never came to an end")


def test_after_revoking_no_token_opens_the_door_and_the_certificate_stays(store: CredentialStore) -> None:
    offered = offer()
    store.enrol(offered)
    shown = store.credentials.newest.certificate
    store.revoke()
    for token in (b"installer token", b"new token"):
        assert credential_for(token, store.credentials.accepted) is None
    again = CredentialStore(store.path.parent, True)
    assert again.load() == store.credentials
    assert again.credentials.newest.certificate == shown
    store.revoke()
    assert len(store.credentials.accepted) == 1
