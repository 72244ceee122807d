"""A whole build, and what follows it, with somebody on the wire who records every byte."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.support.master import Master
from tests.support.relay import relay, spellings

BETWEEN = "127.0.13.37"  # what the master takes for the slave's address
PORT = 7600


def every_secret(master: Master) -> list[str]:
    """All tokens that the master has, and its keys' lines."""
    with closing(sqlite3.connect(master.data / "d8.db")) as database:
        tokens = [row[0] for row in database.execute("select distinct token from credentials")]
    keys = (master.data / "pki" / "d8-ca.key").read_text().splitlines()
    return [*tokens, *(line for line in keys if line and not line.startswith("-----"))]


def test_whoever_records_a_build_and_an_update_reads_no_secret(tmp_path, lab: Lab, bare_host: Host):
    master = Master(tmp_path, lab.master_address).in_a_clone()
    master.bring_bootstrap(bare_host)
    with relay((bare_host.address, PORT), (BETWEEN, PORT)) as between:
        document = master.json("build", BETWEEN, "--yes")
        assert document["status"] == "success"
        slave_id = document["slave_id"]
        seen = set(every_secret(master))
        token = master.json("trust", slave_id, "grant", "ci", "--scope", "operate")["token"]
        done = master.run("exec", "--json", slave_id, "--", "echo the-secret-of-a-command-6f1e")
        assert "the-secret-of-a-command-6f1e" in done.stdout, done.stderr
        master.json("trust", slave_id, "rotate")
        before_update, commit = len(between.recorded), master.commit()
        assert master.json("update", slave_id, "--yes")["slaves"][0]["commit"] == commit
        assert len(between.recorded) > before_update + 100_000, "the release went another way"
        assert master.json("status")["slaves"][0]["state"] == "ok"
        secrets = [*sorted(seen | set(every_secret(master))), token, "the-secret-of-a-command-6f1e"]
        recorded = between.recorded
    assert len(recorded) > 1_000_000, "the release went another way"
    assert len(secrets) >= 5
    for secret in secrets:
        for spelling in spellings(secret):
            assert spelling not in recorded
    assert b"BEGIN" not in recorded, "a key or a certificate went over the wire in the clear"
    log = json.dumps(document)
    assert not [secret for secret in secrets if secret in log]
