"""The looks at a real host, as the app's own user: homes of others, venvs, nvm, ports, who else may write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.support.handover import wait_until

pytestmark = pytest.mark.lab
CODE = Path(__file__).parents[2] / "slave_agent"
# As root's helper does it: a child that has given up root for the user looks.
CHECK = """\
import json, sys
from dataclasses import replace
sys.path.insert(0, "/opt/code")
from slave_agent.privileged.app_verbs import host_check_as_user, path_check_as_user
from slave_agent.systemd.accounts import find_account
from slave_agent.systemd.service_config import config_from
answers = []
for document in json.load(sys.stdin):
    config = config_from(document)
    account = find_account(config.user)
    problems, interpreter = host_check_as_user(config, account)
    again = path_check_as_user(replace(config, interpreter=interpreter), account)
    answers.append([[one.as_json() for one in problems], interpreter, [one.as_json() for one in again]])
print(json.dumps(answers))
"""
LAY_OUT = """\
set -eu
install -d -o pi -g pi -m 755 /srv/shop /srv/shop/package
cd /srv/shop
echo 'app = 1' > main.py; echo '{"scripts": {"start": "node main.js"}}' > package.json
touch main.js package/__init__.py
install -d -o mallory -m 700 /srv/private; install -o mallory -m 644 main.py /srv/private/main.py
install -m 600 main.py /srv/secret.py
groupadd -f team; usermod -aG team mallory
install -d -o root -g team -m 2775 /srv/team; cp main.py /srv/team/
install -d -o mallory -m 755 /srv/theirs; install -o pi -m 644 main.py /srv/theirs/main.py
install -d -m 777 /srv/open; cp main.py /srv/open/
install -o pi -m 644 main.py /tmp/main.py; install -o mallory -m 644 main.py /srv/swapped.py
install -d -m 1777 /srv/sticky; install -o pi -m 644 main.py /srv/sticky/pi.py
install -o mallory -m 644 main.py /srv/sticky/swapped.py
for name in web npm; do install -d -o pi /srv/$name; done
install -d -o pi /srv/web/.venv /srv/web/.venv/bin; ln -s /usr/bin/python3 /srv/web/.venv/bin/python
cp main.py /srv/web/; chmod 755 /srv/web; chmod 777 /srv/web/.venv/bin; chmod 666 /srv/web/main.py
echo '{"scripts": {"start": "node server.js"}}' > /srv/npm/package.json; touch /srv/npm/server.js
chmod 666 /srv/npm/server.js; install -d /srv/tool/lib/npm/bin /srv/tool/bin
printf '#!/bin/sh\\n' > /srv/tool/lib/npm/bin/npm-cli.js; cp /srv/tool/lib/npm/bin/npm-cli.js /srv/tool/bin/node
chmod 755 /srv/tool/lib/npm/bin/npm-cli.js /srv/tool/bin/node; ln -s ../lib/npm/bin/npm-cli.js /srv/tool/bin/npm
ln -s /srv/open/main.py /srv/shop/link.py; ln -s nowhere /srv/shop/gone.py; mkfifo /srv/shop/pipe.py
install -d -o pi /srv/venv /srv/venv/.venv/bin; ln -s /usr/bin/python3 /srv/venv/.venv/bin/python
install -d -o pi /srv/broken /srv/broken/.venv/bin; ln -s /gone/python3 /srv/broken/.venv/bin/python
cp main.py /srv/venv/; cp main.py /srv/broken/
cd /home/pi; mkdir -p .nvm/versions/node/v9.9.9/bin .nvm/versions/node/v22.1.0/bin
for version in v9.9.9 v22.1.0; do printf '#!/bin/sh\\n' > .nvm/versions/node/$version/bin/node; done
chmod 755 .nvm/versions/node/*/bin/*; chown -R pi: /home/pi /srv/shop /srv/venv /srv/broken /srv/npm; chmod 700 /home/pi
"""
LISTEN = "import socket, time; s = socket.create_server(('0.0.0.0', 8123)); time.sleep(900)"
NVM = "/home/pi/.nvm/versions/node/v22.1.0/bin/node"
PYTHON = "/usr/bin/python3"
NPM = "/srv/tool/bin/npm"

# what is changed of the shop → the fields that have a problem (with words of it), the interpreter
CASES: list[tuple[dict[str, Any], dict[str, str], str | None]] = [
    ({}, {}, PYTHON),
    ({"kind": "module", "script": "package"}, {}, PYTHON),
    ({"kind": "module", "script": "main"}, {}, PYTHON),
    ({"kind": "module", "script": "nowhere"}, {"script": "no module nowhere"}, PYTHON),
    ({"kind": "fastapi", "script": "main:app"}, {"interpreter": "has no uvicorn"}, PYTHON),
    ({"script": "/srv/shop/nothing.py"}, {"script": "there is no"}, PYTHON),
    ({"script": "/srv/shop/package"}, {"script": "is no file"}, PYTHON),
    ({"script": "/srv/shop/pipe.py"}, {"script": "is no file"}, PYTHON),
    ({"script": "/srv/shop/gone.py"}, {"script": "a link to what is not there"}, PYTHON),
    ({"script": "/srv/private/main.py"}, {"script": "pi may not look into"}, PYTHON),
    ({"script": "/srv/secret.py"}, {"script": "pi may not read"}, PYTHON),
    ({"script": "/srv/team/main.py"}, {"script": "mallory may write to /srv/team"}, PYTHON),
    ({"script": "/srv/theirs/main.py"}, {"script": "/srv/theirs belongs to somebody else"}, PYTHON),
    ({"script": "/srv/open/main.py"}, {"script": "everybody may write to /srv/open"}, PYTHON),
    ({"script": "/srv/shop/link.py"}, {"script": "everybody may write to /srv/open"}, PYTHON),
    ({"script": "/tmp/main.py"}, {"script": "its own /tmp"}, PYTHON),
    ({"script": "/tmp/main.py", "hardening": "off"}, {}, PYTHON),
    ({"script": "/srv/swapped.py"}, {"script": "/srv/swapped.py belongs to somebody else"}, PYTHON),
    ({"script": "/srv/sticky/pi.py"}, {}, PYTHON),
    ({"script": "/srv/sticky/swapped.py"}, {"script": "/srv/sticky/swapped.py belongs to somebody else"}, PYTHON),
    (
        {"kind": "module", "script": "main", "working_dir": "/srv/web"},
        {
            "script": "everybody may write to /srv/web/main.py",
            "interpreter": "everybody may write to /srv/web/.venv/bin",
        },
        "/srv/web/.venv/bin/python",
    ),
    (
        {"kind": "npm", "script": "start", "working_dir": "/srv/npm", "interpreter": NPM},
        {"script": "everybody may write to /srv/npm/server.js"},
        NPM,
    ),
    ({"kind": "npm", "script": "start", "interpreter": NPM}, {}, NPM),
    ({"working_dir": "/srv/private"}, {"working_dir": "pi may not enter"}, PYTHON),
    ({"working_dir": "/srv/nothing"}, {"working_dir": "there is no"}, PYTHON),
    ({"working_dir": "/srv/venv", "script": "/srv/venv/main.py"}, {}, "/srv/venv/.venv/bin/python"),
    ({"working_dir": "/srv/broken", "script": "/srv/broken/main.py"}, {"interpreter": "a link to what"}, None),
    ({"interpreter": "/opt/none"}, {"interpreter": "there is no /opt/none"}, None),
    ({"interpreter": "/srv/shop/main.py"}, {"interpreter": "no program that it may run"}, None),
    ({"kind": "node", "script": "/srv/shop/main.js"}, {}, NVM),
    ({"kind": "npm", "script": "start"}, {"interpreter": "none found for npm"}, None),
    ({"kind": "npm", "script": "serve"}, {"script": "no script serve", "interpreter": "none found"}, None),
    ({"port": 8123}, {"port": "port 8123 is in use"}, PYTHON),
    ({"port": 8124}, {}, PYTHON),
    ({"port": 8124, "host": "192.0.2.1"}, {"host": "no address of this host"}, PYTHON),
    ({"user": "mallory"}, {"script": "/srv/shop belongs to somebody else"}, PYTHON),
    ({"user": "mallory", "script": "/srv/private/main.py"}, {}, PYTHON),
    (
        {"script": "/srv/nothing.py", "working_dir": "/srv/nothing", "interpreter": "/opt/none", "port": 8123},
        {"script": "there is no", "working_dir": "there is no", "interpreter": "there is no", "port": "in use"},
        None,
    ),
]


@pytest.fixture(scope="module", params=["bullseye", "bare", "debian13"])
def host(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Host]:
    host = lab.host(request.param)
    host.run("mkdir -p /opt/code/slave_agent")
    host.push(b"", "/opt/code/slave_agent/__init__.py")
    for room in ("activation", "privileged", "systemd"):
        host.push(CODE / room, f"/opt/code/slave_agent/{room}")
    host.push(LAY_OUT.encode(), "/root/lay_out.sh")
    host.run("sh /root/lay_out.sh")
    host.run(["systemd-run", "--quiet", "--unit=listener", "--uid=mallory", "/usr/bin/python3", "-c", LISTEN])
    assert wait_until(lambda: "8123" in host.run("ss -Hltn").stdout, 60)
    yield host
    lab.remove(host)


def test_everything_is_seen_as_the_apps_user_sees_it(host: Host) -> None:
    shop = {
        "name": "shop",
        "kind": "python",
        "script": "/srv/shop/main.py",
        "user": "pi",
        "working_dir": "/srv/shop",
    }
    documents = [{**shop, **changes} for changes, _, _ in CASES]
    answers = json.loads(host.run(["python3", "-I", "-c", CHECK], input=json.dumps(documents)).stdout)
    for (changes, wanted, interpreter), (problems, found, again) in zip(CASES, answers, strict=True):
        said = {problem["field"]: problem["message"] for problem in problems}
        assert said.keys() == wanted.keys(), (changes, problems)
        assert all(words in said[field] for field, words in wanted.items()), (changes, said)
        assert found == interpreter, changes
        assert all(problem["hint"] for problem in problems)
        is_of_writers = any("could change" in message for message in said.values())
        assert bool(again) == is_of_writers, (changes, again)
