"""Trust on a real host: credentials rotated while the master is killed, slaves that were off, a stolen installer."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import time
from contextlib import closing
from typing import Any

import pytest

from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.support.master import Master

LEFT_BY_A_BUILD = "/opt/d8-agent* /etc/d8-agent* /var/lib/d8-agent* /etc/systemd/system/d8-agent*"


@pytest.fixture
def master(tmp_path, lab: Lab) -> Master:
    made = Master(tmp_path, lab.master_address, {"D8_CONNECT_TIMEOUT": "5"})
    (tmp_path / "env").touch()
    return made


def built(master: Master, host: Host) -> str:
    """Build the host; return its slave_id."""
    master.bring_bootstrap(host)
    return str(master.build(host)["slave_id"])


def tokens(master: Master, slave_id: str) -> list[str]:
    """The tokens that the master knows for the slave's agent, newest first."""
    with closing(sqlite3.connect(master.data / "d8.db", timeout=30)) as database:
        query = "select token from credentials where kind = 'agent' and slave_id = ? order by created desc"
        return [row[0] for row in database.execute(query, (slave_id,))]


def is_alive(master: Master, host: Host, token: str) -> bool:
    """Whether the slave takes the token, asked with no trust in who answers: the authority may have changed."""
    return master.curl(host, "/api/version", token=token, options=("-k",))[0] == 200


def browse(master: Master, host: Host, path: str, *options: str) -> tuple[int, str]:
    """Ask the slave's panel as a browser does, with a jar for its cookie; return the status and the page."""
    jar, base = str(master.folder / "cookies"), f"https://{host.address}:7600"
    trusted = ("--cacert", str(master.data / "pki" / "d8-ca.pem"), "--cookie", jar, "--cookie-jar", jar)
    words = ["curl", "-sS", "--max-time", "10", *trusted, "-H", f"Origin: {base}", "-w", "\n%{http_code}", *options]
    done = subprocess.run([*words, f"{base}{path}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page, _, status = done.stdout.rpartition("\n")
    return int(status), page


def wait_for_port(master: Master, host: Host, seconds: float = 120) -> None:
    """Wait until somebody answers on the host's port."""
    deadline = time.monotonic() + seconds
    words = ["curl", "-sk", "--max-time", "5", f"https://{host.address}:7600/api/health"]
    while subprocess.run(words, capture_output=True, check=False).returncode != 0:
        assert time.monotonic() < deadline, "nobody answers on the port"
        time.sleep(1)


def kill_when_stored(master: Master, slave_id: str, known: int, delay_seconds: float) -> None:
    """Start a rotation and kill it -9 some time after its new credential was stored."""
    process = master.start("trust", slave_id, "rotate", "--json")
    deadline = time.monotonic() + 60
    while process.poll() is None and len(tokens(master, slave_id)) <= known:
        assert time.monotonic() < deadline, "the rotation never began"
        time.sleep(0.005)
    time.sleep(delay_seconds)
    process.kill()
    process.communicate()


def test_a_rotation_whose_master_is_killed_is_finished_and_the_old_token_dies(master: Master, bare_host: Host):
    slave_id = built(master, bare_host)
    for delay in (0.0, 0.02, 0.05, 0.1, 0.2, 0.5):
        [old] = tokens(master, slave_id)
        kill_when_stored(master, slave_id, 1, delay)
        assert any(is_alive(master, bare_host, token) for token in tokens(master, slave_id)), "locked out"
        [row] = master.json("status")["slaves"]  # tries again what was begun
        assert row["state"] in ("ok", "other_commit"), row
        if tokens(master, slave_id) == [old]:  # it was killed before it had begun
            master.json("trust", slave_id, "rotate")
        [new] = tokens(master, slave_id)
        assert new != old
        assert is_alive(master, bare_host, new)
        assert not is_alive(master, bare_host, old)
        assert master.json("trust")["pending"] == []

    # The agent is killed in the middle as well: systemd brings it back with what it had written.
    [old] = tokens(master, slave_id)
    kill_when_stored(master, slave_id, 1, 0.05)
    bare_host.run("systemctl kill -s KILL d8-agent.service")
    wait_for_port(master, bare_host)
    master.json("status")
    master.json("trust", slave_id, "rotate")
    [new] = tokens(master, slave_id)
    assert is_alive(master, bare_host, new) and not is_alive(master, bare_host, old)
    bare_host.reboot()
    wait_for_port(master, bare_host)
    assert is_alive(master, bare_host, new)
    stolen = master.token("rescue")
    master.json("trust", slave_id, "rotate")
    [line] = master.json("trust", slave_id)["slaves"]
    shown = subprocess.run(["sh", "-c", line["command"]], capture_output=True, text=True, check=True).stdout
    assert json.loads(shown)["agent"]["pid"] > 0  # the printed line works, against the fleet's certificate

    # Whoever has stolen the token of the bootstrap finds it dead when the bootstrap answers, as in a build.
    bare_host.run("/usr/bin/python3 -I /opt/d8-agent/control/d8-activate return-to-bootstrap --wait", bare_host.user)
    assert master.curl(bare_host, "/api/health", options=("-k",))[1]["mode"] == "bootstrap"
    assert not is_alive(master, bare_host, stolen)
    assert is_alive(master, bare_host, master.token("rescue"))


def test_tokens_for_others_keep_to_their_scope_and_both_sides_write_down_who_did_what(master: Master, bare_host: Host):
    slave_id = built(master, bare_host)
    read = master.json("trust", slave_id, "grant", "prometheus", "--scope", "read")["token"]
    assert master.curl(bare_host, "/api/apps", token=read)[0] == 200
    assert master.curl(bare_host, "/api/audit", token=read)[0] == 403
    assert [one["name"] for one in master.json("trust", slave_id, "tokens")["tokens"]] == ["prometheus"]
    bare_host.run("systemctl restart d8-agent.service")
    wait_for_port(master, bare_host)
    assert master.curl(bare_host, "/api/apps", token=read)[0] == 200
    found = bare_host.run(f"grep -rlF -e '{read}' /etc /var/lib /opt/d8-agent /run 2>/dev/null || true").stdout
    assert found == "", "the token lies on the slave"
    assert browse(master, bare_host, "/login", "--json", json.dumps({"token": read}))[0] == 200
    status, page = browse(master, bare_host, "/apps")
    assert (status, 'data-rights="read"' in page) == (200, True)
    assert browse(master, bare_host, "/static/apps.js")[0] == browse(master, bare_host, "/api/apps")[0] == 200
    master.json("trust", slave_id, "revoke", "prometheus")
    assert master.curl(bare_host, "/api/apps", token=read)[0] == 401
    assert browse(master, bare_host, "/apps")[0] == 303, "the session died with its token"
    assert master.run("trust", slave_id, "revoke", "prometheus", "--json").returncode == 2

    def there(what: str, status: int) -> list[dict[str, Any]]:
        entries = master.json("audit", slave_id)["entries"]
        return [entry for entry in entries if (entry["what"], entry["status"]) == (what, status)]

    deadline = time.monotonic() + 60
    while not (there("GET /api/audit", 403) and there("DELETE /api/agent/tokens/prometheus", 200)):
        assert time.monotonic() < deadline, master.json("audit", slave_id)
        time.sleep(1)
    assert there("GET /api/audit", 403)[0]["who"] == "prometheus"
    assert there("PUT /api/agent/tokens/prometheus", 201)[0]["who"] == "master"
    deeds = [(one["action"], one["subject"], one["result"]) for one in master.json("audit")["entries"]]
    assert ("trust-grant", f"{slave_id}/prometheus", "read") in deeds
    assert ("trust-revoke-token", f"{slave_id}/prometheus", "done") in deeds
    assert ("build", slave_id, "success") in deeds


def test_a_slave_that_was_off_is_taken_off_when_it_is_back(master: Master, bare_host: Host):
    slave_id = built(master, bare_host)
    [token] = tokens(master, slave_id)
    bare_host.power_off()
    removal = master.json("remove", slave_id, "--yes", expect=5)
    assert removal["pending"] and not removal["forgotten"]
    assert master.json("slaves")["slaves"] == []
    assert [one["slave_id"] for one in master.json("status")["pending"]] == [slave_id]
    master.json("trust", "--retry", expect=5)
    bare_host.start()
    wait_for_port(master, bare_host)
    assert is_alive(master, bare_host, token), "until then it knows nothing of it"
    [tried] = master.json("trust", "--retry")["tried"]
    assert tried["settled"]
    assert master.json("status")["pending"] == []
    assert tokens(master, slave_id) == []
    deadline = time.monotonic() + 60
    while bare_host.run(f"ls -d {LEFT_BY_A_BUILD} 2>/dev/null || true").stdout:
        assert time.monotonic() < deadline
        time.sleep(1)

    # Built again by the same master, the old token opens nothing there.
    master.bring_bootstrap(bare_host)
    assert master.build(bare_host)["status"] == "success"
    assert not is_alive(master, bare_host, token)


def test_a_revoked_slave_that_was_off_lets_nobody_in_any_more(master: Master, bare_host: Host):
    slave_id = built(master, bare_host)
    [token] = tokens(master, slave_id)
    bare_host.cut()
    assert master.json("trust", slave_id, "revoke", "--yes", expect=5)["pending"]
    bare_host.heal()
    wait_for_port(master, bare_host)
    master.run("doctor", "--json")  # looks at what is owed, too
    assert master.json("trust", "--retry")["tried"] == []
    assert not is_alive(master, bare_host, token)
    assert master.curl(bare_host, "/api/health")[1]["status"] == "ok"
    assert master.json("trust")["slaves"][0]["ended"]
    refused = master.run("build", bare_host.address, "--yes", "--json")
    assert refused.returncode == 4 and "--uninstall there" in refused.stdout, refused.stdout
    left = master.json("remove", slave_id, "--yes")
    assert (left["forgotten"], left["uninstalled"]) == (True, False) and "--uninstall" in left["warning"]
    bare_host.run("sh install_slave.sh --uninstall", bare_host.user, timeout_seconds=120)
    master.bring_bootstrap(bare_host)
    assert master.build(bare_host)["status"] == "success"
    assert not is_alive(master, bare_host, token)


def test_a_stolen_installer_is_of_no_use_against_a_built_slave(master: Master, bare_host: Host, tmp_path):
    made = master.bring_bootstrap(bare_host)
    stolen = master.token("installer")
    slave_id = str(master.build(bare_host)["slave_id"])
    for path in ("/api/system", "/api/apps", "/api/audit", "/metrics", "/api/processes"):
        assert master.curl(bare_host, path, token=stolen, options=("-k",))[0] == 401, path
    words = ["curl", "-sk", "--max-time", "10", "--pinnedpubkey", made["pin"], f"https://{bare_host.address}:7600/"]
    assert subprocess.run(words, capture_output=True, check=False).returncode == 90  # another key answers now

    # A master that has nothing but the stolen script's secrets in its registry gets nowhere either.
    thief = Master(tmp_path / "thief", master.address)
    thief.folder.mkdir()
    thief.json("installer", "--os", "linux")
    with closing(sqlite3.connect(thief.data / "d8.db")) as database:
        database.execute("update credentials set token = ?, fingerprint = ?", (stolen, made["fingerprint"]))
        database.commit()
    refused = thief.run("build", bare_host.address, "--yes", "--json")
    assert refused.returncode == 4, refused.stdout
    assert is_alive(master, bare_host, tokens(master, slave_id)[0])
    home = bare_host.run("echo $HOME", bare_host.user).stdout.strip()
    files = bare_host.run(f"grep -rlF -e '{stolen}' {home} /etc /var/lib /opt /run 2>/dev/null || true").stdout.split()
    assert [path for path in files if not path.endswith("install_slave.sh")] == []
