"""Naughty texts through a built slave: registered apps get them unchanged, all others are refused by their field."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import pytest

from slave_agent.systemd.service_config import document_of, problems_in
from tests.lab.lab import Lab
from tests.support.app_slave import AppSlave
from tests.support.master import Master
from tests.support.naughty import CANARY, documents
from tests.support.naughty_apps import check, chosen_cases, lay_out, prepare_canary

pytestmark = pytest.mark.lab
SEED = 20261122
REFUSED = 150
LARGEST_BODY_BYTES = 128 * 1024


@pytest.fixture(scope="module")
def slave(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppSlave]:
    host = lab.host("bare")
    master = Master(tmp_path_factory.mktemp("master"), lab.master_address)
    master.bring_bootstrap(host)
    master.build(host)
    prepare_canary(host)
    yield AppSlave(host, master.token("agent"), master.data / "pki" / "d8-ca.pem", host.user)
    lab.remove(host)


def test_thirty_naughty_apps_are_registered_as_they_are(slave: AppSlave) -> None:
    cases = chosen_cases()
    assert len(cases) == 30
    lay_out(slave.host, {path: content for one in cases for path, content in one.own_files.items()})
    for one in cases:
        document = document_of(one.config, with_environment=True) | {"stabilisation_seconds": 0}
        answer = slave.call("POST", "/api/apps/register", document)
        assert answer.status == 201, (one.label, answer)
    check(slave.host, cases)
    for one in cases:
        kept = slave.done("GET", f"/api/apps/{one.config.name}")["config"]
        assert kept == document_of(one.config) | {"stabilisation_seconds": 0}, one.label
    for one in cases:
        slave.done("DELETE", f"/api/apps/{one.config.name}")
        assert slave.left_of(one.config.name) == []
    assert not slave.host.exists(CANARY)


def test_what_no_field_takes_is_refused_with_its_field(slave: AppSlave) -> None:
    refused = {key: document for key, document in documents().items() if problems_in(document)}
    chosen = random.Random(SEED).sample(sorted(refused), REFUSED)
    for key in chosen:
        answer = slave.call("POST", "/api/apps/register", refused[key])
        if len(json.dumps(refused[key])) > LARGEST_BODY_BYTES:
            assert answer.status == 413, (key, answer)
            continue
        wanted = {problem.field for problem in problems_in(refused[key])}
        assert answer.status == 422, (key, answer)
        assert wanted <= {problem["field"] for problem in answer.document["problems"]}, key
    assert slave.names() == []
    assert slave.host.run("ls /etc/systemd/system").stdout.count("d8-app-") == 0
    assert not slave.host.exists(CANARY)
