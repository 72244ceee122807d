"""The bootstrap's token is replaced by what the fleet has signed for it, and by nothing else."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from d8.fleet.release_signing import ReleaseSigner
from d8.fleet.rescue_order import rescue_order
from d8.fleet.trust import token_hash
from d8.models import Credential
from d8.models import CredentialKind as Kind
from slave_agent.activation.context import Activation
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import read_json
from slave_agent.activation.layout import Layout
from slave_agent.activation.record import Record, RecordStore
from slave_agent.activation.rescue import replace_rescue_token
from slave_agent.activation.states import CredentialKind, Phase, Scope

OLD, NEW = "the old token", "the new token"


@pytest.fixture
def activation(tmp_path: Path) -> Activation:
    layout = Layout(
        Scope.USER, tmp_path / "opt", tmp_path / "etc", tmp_path / "var", tmp_path / "units", tmp_path / "run"
    )
    for folder in (layout.state, layout.bootstrap_folder):
        folder.mkdir(parents=True)
    layout.release_key.write_text(ReleaseSigner(tmp_path / "pki").public_key + "\n")
    layout.bootstrap_config.write_text(json.dumps({"token_sha256": token_hash(OLD), "port": 7600}))
    store = RecordStore(layout.record)
    kind = CredentialKind.RESCUE
    store.save(Record(Phase.CONFIRMED, Scope.USER, "a" * 40, "s", 7600, "::", True, 60, 0, "pi", kind))
    return Activation(layout, store, None, None, lambda _seconds: None)  # type: ignore[arg-type]


def order(activation: Activation, *known: Credential, token: str = NEW, pki: str = "pki") -> str:
    """What the master sends, signed by the key in the folder `pki`."""
    return rescue_order(ReleaseSigner(activation.layout.opt.parent / pki), token, known)


def known(token: str = OLD, next_token: str | None = None) -> Credential:
    return Credential(Kind.RESCUE, "f", token, "s", next_token=next_token)


def token_of(activation: Activation) -> Any:
    return read_json(activation.layout.bootstrap_config)["token_sha256"]


def test_the_new_token_takes_the_place_of_the_old_one_however_often_it_is_sent(activation: Activation) -> None:
    sent = order(activation, known("of a build that failed"), known())
    for _ in range(2):
        assert replace_rescue_token(activation, sent) == {"replaced": True}
        assert read_json(activation.layout.bootstrap_config) == {"token_sha256": token_hash(NEW), "port": 7600}
    assert activation.layout.bootstrap_config.stat().st_mode & 0o777 == 0o600


def test_the_next_one_is_known_to_the_order_after_it(activation: Activation) -> None:
    replace_rescue_token(activation, order(activation, known()))  # the answer got lost
    replace_rescue_token(activation, order(activation, known(next_token=NEW), token="a third"))
    assert token_of(activation) == token_hash("a third")


def test_an_order_that_was_recorded_brings_no_old_token_back(activation: Activation) -> None:
    recorded = order(activation, known())
    replace_rescue_token(activation, recorded)
    replace_rescue_token(activation, order(activation, known(NEW), token="a third"))
    with pytest.raises(ActivationError, match="another token"):
        replace_rescue_token(activation, recorded)
    assert token_of(activation) == token_hash("a third")


def test_what_a_failed_build_has_left_gets_the_new_token_too(activation: Activation) -> None:
    staged = activation.layout.bootstrap_folder / "rescue.json"
    staged.write_text(json.dumps({"token_sha256": token_hash("staged")}))
    replace_rescue_token(activation, order(activation, known("staged"), known()))
    assert read_json(staged)["token_sha256"] == token_of(activation) == token_hash(NEW)


def signed(activation: Activation, **values: Any) -> str:
    """Something else that the fleet has signed."""
    text = json.dumps(values)
    head = {"order": text, "signature": ReleaseSigner(activation.layout.opt.parent / "pki").sign(text)}
    return base64.urlsafe_b64encode(json.dumps(head).encode()).decode()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda one: order(one, known(), pki="another"), "not signed"),
        (lambda one: order(one, known("of another slave")), "another token"),
        (lambda one: order(one, known())[:-8], "not an order"),
        (lambda one: order(one, known()) + "!", "not an order"),
        (lambda one: "", "not an order"),
        (lambda one: "W10=", "not an order"),
        (lambda one: signed(one, purpose="d8-release-1", token_sha256="a" * 64, replaces=[]), "not signed"),
        (lambda one: signed(one, purpose="d8-rescue-1", token_sha256="short", replaces=[]), "SHA-256"),
        (lambda one: signed(one, purpose="d8-rescue-1", token_sha256="a" * 64, replaces=[7]), "SHA-256"),
    ],
)
def test_anything_else_is_refused_and_changes_nothing(activation: Activation, make: Any, says: str) -> None:
    with pytest.raises(ActivationError, match=says):
        replace_rescue_token(activation, make(activation))
    assert token_of(activation) == token_hash(OLD)


def test_where_no_bootstrap_stands_by_there_is_nothing_to_replace(activation: Activation) -> None:
    sent = order(activation, known())
    for changes in ({"bootstrap_user": None}, {"bootstrap_user": "pi", "bootstrap_credential": "installer"}):
        activation.store.update(**changes)
        with pytest.raises(ActivationError, match="stands by"):
            replace_rescue_token(activation, sent)
    assert token_of(activation) == token_hash(OLD)
