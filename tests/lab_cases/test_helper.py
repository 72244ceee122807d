"""Root's helper with real systemd, on Debian 12 and 13: what it does for apps, whom and what it refuses, and that
nobody can hold it up.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.support.handover import SlaveUnderTest, wait_until
from tests.support.helper_caller import HelperCaller

pytestmark = pytest.mark.lab
APP = "/home/pi/shop"
MAIN = """
import os, time
print("shop", os.environ.get("COLOUR"), flush=True)
time.sleep(100000)
"""
SULLEN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    time.sleep(1)
"""
RUNNING = ("dbus", "systemd-journald", "systemd-logind")


@pytest.fixture(scope="module", params=["bare", "debian13"])
def helper(request: pytest.FixtureRequest, lab: Lab) -> Iterator[HelperCaller]:
    host = lab.host(request.param)
    slave = SlaveUnderTest(host).prepare()
    slave.install()
    host.run(f"install -d -m 700 -o pi -g pi {APP} && chmod 700 /home/pi")
    yield HelperCaller(host)
    lab.remove(host)


@pytest.fixture(autouse=True)
def script(helper: HelperCaller) -> Iterator[None]:
    """The app as it should be before each test; nothing of it afterwards."""
    helper.host.run(f"rm -rf {APP}/* && install -d -m 700 -o pi -g pi {APP}")
    put_script(helper.host, MAIN)
    yield
    for name in helper.must("installed")["names"]:
        helper.must("remove-unit", name=name)


def put_script(host: Host, text: str) -> None:
    host.push(text.encode(), f"{APP}/main.py", owner="pi", mode=0o644)


def document(name: str = "shop", **fields: Any) -> dict[str, Any]:
    whole = {"name": name, "kind": "python", "script": f"{APP}/main.py", "user": "pi", "working_dir": APP}
    return {**whole, **fields}


def show(host: Host, prop: str, unit: str = "d8-app-shop.service") -> str:
    return host.run(["systemctl", "show", f"--property={prop}", "--value", unit]).stdout.strip()


def left_of_apps(host: Host) -> str:
    files = "find /etc/systemd /etc/d8-agent/apps /run/d8-agent-helper/locks /run/systemd -name '*shop*'"
    units = "systemctl list-units --all --plain --no-legend 'd8-app-*'"
    return host.run(f"{files}; {units}").stdout


def problem_fields(answer: dict[str, Any]) -> list[str]:
    assert answer.get("kind", "refused") == "refused", answer
    return sorted({problem["field"] for problem in answer["problems"]})


def test_every_verb_does_its_part(helper: HelperCaller) -> None:
    host = helper.host
    answer = helper.must("check", document=document())
    assert answer["problems"] == [] and answer["interpreter"].startswith("/usr/bin/python3")
    installed = helper.must("install-unit", document=document(environment={"COLOUR": "dark red", "KEY": "s3cret"}))
    assert installed["unit"] == "d8-app-shop.service" and installed["environment_names"] == ["COLOUR", "KEY"]
    assert host.run("stat -c '%a %U' /etc/d8-agent/apps/shop.env /etc/d8-agent/apps").stdout.split() == [
        *("600", "root"),
        *("700", "root"),
    ]
    assert "s3cret" not in host.run("cat /etc/systemd/system/d8-app-shop.service").stdout
    assert helper.must("enable", name="shop")["done"] is True
    assert helper.must("start", name="shop")["done"] is True
    assert show(host, "ActiveState") == "active" and show(host, "UnitFileState") == "enabled"
    assert host.run(f"ps -o user= -p {show(host, 'MainPID')}").stdout.strip() == "pi"
    log = "journalctl -u d8-app-shop.service -o cat --no-pager"
    assert wait_until(lambda: "shop dark red" in host.run(log).stdout, 30)
    first = show(host, "MainPID")
    assert helper.must("restart", name="shop")["done"] is True
    assert show(host, "MainPID") not in (first, "0")
    assert helper.must("look", name="shop") == {
        "ok": True,
        "file": "untouched",
        "environment_names": ["COLOUR", "KEY"],
        "has_previous": True,
    }
    helper.must("forget-previous", name="shop")
    helper.must("install-unit", document=document(environment={"COLOUR": "blue", "KEY": None}), keep_environment=True)
    assert helper.must("look", name="shop")["environment_names"] == ["COLOUR"]
    assert helper.must("restore-unit", name="shop")["restored"] is True
    assert helper.must("look", name="shop")["environment_names"] == ["COLOUR", "KEY"]
    seen = {one["pid"]: one for one in helper.must("scan")["processes"]}[int(show(host, "MainPID"))]
    assert (seen["user"], seen["working_dir"], seen["unit"]) == ("pi", APP, "d8-app-shop.service")
    assert seen["executable"].startswith("/usr/bin/python3") and seen["arguments"][-1] == f"{APP}/main.py"
    assert helper.must("stop", name="shop")["done"] is True
    assert helper.must("disable", name="shop")["done"] is True
    helper.must("reset-failed", name="shop")
    assert show(host, "ActiveState") == "inactive" and show(host, "UnitFileState") == "disabled"
    assert helper.must("installed")["names"] == ["shop"]
    assert helper.must("remove-unit", name="shop")["removed"] is True
    assert left_of_apps(host) == ""
    assert helper.must("remove-unit", name="shop")["removed"] is False
    assert helper.must("users")["users"] == ["pi"]


@pytest.mark.parametrize(
    "line",
    [
        '{"verb": "edit", "name": "shop"}',
        '{"verb": "link", "name": "/tmp/evil.service"}',
        '{"verb": "set-property", "name": "shop"}',
        '{"verb": "daemon-reload"}',
        '{"verb": "start", "name": "shop", "arguments": ["--user"]}',
        '{"verb": "start", "name": "shop", "pager": "sh"}',
        '{"verb": "start", "name": ["shop"]}',
        '{"verb": "start"}',
        '{"verb": ["start"], "name": "shop"}',
        '{"verb": "install-unit", "document": "[Service]"}',
        '{"verb": "install-unit", "document": {}, "unit": "[Service]"}',
        "[]",
        "nonsense",
        "[" * 50000,
        "{}",
    ],
)
def test_what_is_no_request_is_refused(helper: HelperCaller, line: str) -> None:
    answer = helper.ask_all([line])[0]
    assert answer["ok"] is False and answer["kind"] == "refused" and answer["hint"]


def test_names_are_names_and_nothing_else(helper: HelperCaller) -> None:
    names = ["*", "-H", "--help", "../x", "a@b", "hel*", "", "ssh.service", "a\nb", "a\x00b", "A", "é", "a" * 49]
    verbs = ["start", "stop", "restart", "enable", "disable", "reset-failed", "remove-unit", "restore-unit", "look"]
    asked: list[Any] = [{"verb": verb, "name": names[0]} for verb in verbs]
    asked += [{"verb": verbs[0], "name": name} for name in names[1:]]
    every = [{"verb": verb, "name": name} for verb in verbs for name in names]
    for requests, answers in ((asked, helper.ask_all(asked)), (every, answers_in_one_process(helper.host, every))):
        for request, answer in zip(requests, answers, strict=True):
            assert answer["ok"] is False and problem_fields(answer) == ["name"], request


def answers_in_one_process(host: Host, requests: list[Any]) -> list[Any]:
    """What the installed helper's code answers to root, without a process for each request."""
    code = """
import json, sys
sys.path.insert(0, "/opt/d8-agent/control")
from slave_agent.privileged.helper import answer_to
from slave_agent.privileged.verbs import VERBS
print(json.dumps([answer_to(json.dumps(request).encode(), VERBS) for request in json.load(sys.stdin)]))
"""
    done = host.run(["python3", "-I", "-c", code], input=json.dumps(requests), timeout_seconds=120)
    return list(json.loads(done.stdout))


def test_a_unit_of_the_host_cannot_be_touched(helper: HelperCaller) -> None:
    host = helper.host
    text = "[Service]\nExecStart=/bin/sleep 100000\n"
    host.push(text.encode(), "/etc/systemd/system/d8-app-theirs.service", owner="root", mode=0o644)
    host.run("systemctl daemon-reload && systemctl start d8-app-theirs.service")
    for verb in ("start", "stop", "restart", "enable", "disable", "remove-unit"):
        assert helper.ask(verb, name="theirs")["ok"] is False
    assert helper.ask("install-unit", document=document("theirs"))["ok"] is False
    assert host.run("cat /etc/systemd/system/d8-app-theirs.service").stdout == text
    assert show(host, "ActiveState", "d8-app-theirs.service") == "active"
    host.run("systemctl stop d8-app-theirs.service && rm /etc/systemd/system/d8-app-theirs.service")
    host.run("systemctl daemon-reload")
    before = invocations(host)
    assert len(set(before)) == len(RUNNING)
    for name in RUNNING:
        for verb in ("start", "stop", "restart", "enable", "disable", "remove-unit"):
            answer = helper.ask(verb, name=name)
            assert answer["ok"] is False or not (answer.get("done") or answer.get("removed")), (verb, answer)
    assert invocations(host) == before


def invocations(host: Host) -> list[str]:
    """Which run of each of the host's own services is on."""
    return [show(host, "InvocationID", f"{name}.service") for name in RUNNING]


@pytest.mark.parametrize("user", ["root", "d8-agent", "mallory", "nobody-here", "daemon", "pi\nmallory", "0"])
def test_users_who_are_not_listed_are_refused(helper: HelperCaller, user: str) -> None:
    answer = helper.ask("install-unit", document=document(user=user))
    assert answer["ok"] is False and problem_fields(answer) == ["user"]
    assert left_of_apps(helper.host) == ""


def test_the_refusal_names_the_command_that_lists_a_user(helper: HelperCaller) -> None:
    host = helper.host
    problems = helper.must("check", document=document(user="mallory", working_dir="/tmp", script="/tmp/x"))["problems"]
    assert problems[0]["hint"].endswith("echo mallory | sudo tee -a /etc/d8-agent/app-users")
    host.run("echo mallory | tee -a /etc/d8-agent/app-users")
    fields = problem_fields(helper.must("check", document=document(user="mallory")))
    assert fields == ["script", "working_dir"], "seen as mallory, who can't look into a home of mode 0700"
    host.run("chmod 666 /etc/d8-agent/app-users")
    assert "could have been written by others" in helper.ask("check", document=document())["error"]
    host.run("chmod 644 /etc/d8-agent/app-users && sed -i /mallory/d /etc/d8-agent/app-users")


def test_all_that_is_wrong_with_the_host_is_told_at_once(helper: HelperCaller) -> None:
    wrong = document(script=f"{APP}/gone.py", working_dir="/home/pi/gone", interpreter="/usr/bin/gone", port=7600)
    assert problem_fields(helper.must("check", document=wrong)) == ["interpreter", "port", "script", "working_dir"]


LET_MALLORY_WRITE = """
import os, pwd, struct, sys
mallory, nobody = pwd.getpwnam("mallory").pw_uid, 0xFFFFFFFF
entries = (1, 6, nobody), (2, 6, mallory), (4, 4, nobody), (16, 6, nobody), (32, 4, nobody)
access = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
os.setxattr(sys.argv[1], "system.posix_acl_access", access)
"""


def test_a_script_that_others_could_change_is_refused(helper: HelperCaller) -> None:
    host = helper.host
    host.run(f"chmod 666 {APP}/main.py")
    assert problem_fields(helper.must("check", document=document())) == ["script"]
    host.run(f"chmod 644 {APP}/main.py && chmod 777 {APP}")
    assert problem_fields(helper.must("check", document=document())) == ["script"]
    host.run(f"chmod 700 {APP}")
    assert helper.must("check", document=document())["problems"] == []
    host.run(["python3", "-c", LET_MALLORY_WRITE, f"{APP}/main.py"])
    [problem] = helper.must("check", document=document())["problems"]
    assert "mallory may write" in problem["message"]
    host.run(f"chmod 644 {APP}/main.py")  # the group's bits are the mask
    assert helper.must("check", document=document())["problems"] == []


@pytest.mark.parametrize(
    "swap", ["chown mallory: /var/tmp/evil", "chmod 777 /var/tmp/evil", "chmod 666 /var/tmp/evil/*"]
)
def test_a_script_that_is_swapped_after_the_check_does_not_start(helper: HelperCaller, swap: str) -> None:
    host = helper.host
    helper.must("install-unit", document=document())
    canary = f"{APP}/canary"
    evil = f"import pathlib; pathlib.Path('{canary}').touch()\n"  # the app's own folder: its /tmp is its own
    host.push(evil.encode(), "/var/tmp/evil/main.py", owner="root", mode=0o755)
    host.run(f"ln -sfn /var/tmp/evil/main.py {APP}/main.py", user="pi")
    host.run(f"chmod 755 /var/tmp/evil && {swap}")
    for verb in ("start", "restart"):
        answer = helper.ask(verb, name="shop")
        assert answer["ok"] is False and problem_fields(answer) == ["script"]
    assert show(host, "ActiveState") == "inactive" and not host.exists(canary)
    host.run(f"rm -r /var/tmp/evil {APP}/main.py")


def test_a_stranger_who_takes_the_place_of_a_script_is_not_run(helper: HelperCaller) -> None:
    """In a folder that everybody may write to, the name of a file that is gone belongs to whoever comes next."""
    host = helper.host
    host.run("install -d -m 1777 /srv/shared")
    host.push(MAIN.encode(), "/srv/shared/job.py", owner="pi", mode=0o644)
    helper.must("install-unit", document=document(script="/srv/shared/job.py"))
    assert helper.must("start", name="shop")["done"] is True
    host.run("rm /srv/shared/job.py", user="pi")
    evil = b"import pathlib; pathlib.Path('/srv/shared/canary').touch()\n"
    host.push(evil, "/srv/shared/job.py", owner="mallory", mode=0o644)
    for verb in ("restart", "start"):
        answer = helper.ask(verb, name="shop")
        assert answer["ok"] is False and problem_fields(answer) == ["script"]
    assert not host.exists("/srv/shared/canary")
    host.run("rm -r /srv/shared")


def test_an_interpreter_that_was_found_is_looked_at_again(helper: HelperCaller) -> None:
    host = helper.host
    host.run(f"mkdir -p {APP}/.venv/bin && ln -s /usr/bin/python3 {APP}/.venv/bin/python", user="pi")
    helper.must("install-unit", document=document())
    assert helper.must("start", name="shop")["done"] is True
    host.run(f"chmod o+w {APP}/.venv/bin")
    answer = helper.ask("restart", name="shop")
    assert answer["ok"] is False and problem_fields(answer) == ["interpreter"]
    host.run(f"rm -r {APP}/.venv")


def test_no_app_uses_sudo(helper: HelperCaller) -> None:
    """What whoever may register apps could ask for: a program that becomes root, under the weakest preset."""
    host = helper.host
    host.push(b"pi ALL=(ALL) NOPASSWD: ALL\n", "/etc/sudoers.d/app-test", owner="root", mode=0o440)
    assert host.run("sudo -n id -u", user="pi").stdout.strip() == "0", "pi itself may"
    words = ["-c", "id > /root/pwn; sleep 30"]
    asked = document(kind="node", interpreter="/usr/bin/sudo", script="/bin/sh", arguments=words, hardening="off")
    helper.must("install-unit", document=asked)
    helper.ask("start", name="shop")
    log = "journalctl -u d8-app-shop.service -o cat --no-pager"
    assert wait_until(lambda: "no new privileges" in host.run(log).stdout, 60), host.run(log).stdout
    assert not host.exists("/root/pwn")
    near = helper.must("users")["near_root"]
    host.run("rm /etc/sudoers.d/app-test")
    assert "rules of sudo" in near["pi"]


def test_an_app_cannot_have_the_host_do_things(helper: HelperCaller) -> None:
    for unit in ("rescue.target", "poweroff.target", "debug-shell.service"):
        answer = helper.ask("install-unit", document=document(wants=[unit]))
        assert answer["ok"] is False and problem_fields(answer) == ["wants"]


def test_an_app_that_does_not_want_to_stop_is_stopped_in_time(helper: HelperCaller) -> None:
    put_script(helper.host, SULLEN)
    helper.must("install-unit", document=document())
    helper.must("start", name="shop")
    assert helper.must("stop", name="shop")["done"] is True
    assert show(helper.host, "MainPID") == "0"
    helper.must("start", name="shop")
    assert helper.must("remove-unit", name="shop")["removed"] is True
    assert left_of_apps(helper.host) == ""


def test_a_killed_helper_leaves_whole_or_nothing(helper: HelperCaller) -> None:
    host = helper.host
    kill = """
for _ in $(seq 400); do
  for pid in $(pgrep -f 'control/d8-helper'); do
    [ $(( RANDOM % 3 )) = 0 ] && kill -9 $pid 2>/dev/null
  done
  sleep 0.0$(( RANDOM % 9 ))
done
"""
    host.push(kill.encode(), "/root/kill.sh", owner="root", mode=0o755)
    host.run("systemd-run --quiet --collect --unit=killer bash /root/kill.sh")
    colours = [f"c{number}" for number in range(25)]
    asked: list[Any] = [
        {"verb": "install-unit", "document": document(environment={"COLOUR": colour})} for colour in colours
    ]
    answers = helper.ask_all(asked)
    host.run("systemctl stop killer.service", check=False)
    assert None in answers, "none was killed"
    names = helper.must("installed")["names"]
    environment = host.run("cat /etc/d8-agent/apps/shop.env", check=False).stdout
    if names:
        assert helper.must("look", name="shop")["file"] == "untouched"
        assert any(f'COLOUR="{colour}"' in environment for colour in colours)
    else:
        assert environment == ""
    listed = host.run("ls -A /etc/d8-agent/apps /etc/systemd/system").stdout
    assert ".d8-new" not in listed
    assert show(host, "NeedDaemonReload") == "no"


def test_operations_on_one_app_wait_for_each_other(helper: HelperCaller) -> None:
    put_script(helper.host, SULLEN)
    helper.must("install-unit", document=document())
    helper.must("start", name="shop")
    asking = """
import json, socket, threading, time
began, ends = time.monotonic(), {}
def ask(verb):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect("/run/d8-agent-helper/helper.sock")
        s.sendall(json.dumps({"verb": verb, "name": "shop"}).encode() + b"\\n")
        ends[verb] = [json.loads(s.makefile().readline()), time.monotonic() - began]
stop = threading.Thread(target=ask, args=("stop",))
stop.start()
time.sleep(2)
ask("look")
ask("start")
stop.join()
print(json.dumps(ends))
"""
    done = helper.host.run(["runuser", "-u", "d8-agent", "--", "python3", "-c", asking], timeout_seconds=120)
    ends = json.loads(done.stdout)
    assert ends["look"][0]["ok"] is True and ends["look"][1] < ends["stop"][1], "a look waits for nobody"
    start, stop = ends["start"], ends["stop"]
    assert stop[0]["done"] is True
    assert (start[0].get("done") is True and start[1] >= stop[1]) or start[0].get("kind") == "busy", ends


def test_the_second_user_does_not_reach_the_helper(helper: HelperCaller) -> None:
    assert helper.ask_all([{"verb": "ping"}], "mallory") == ["PermissionError"]
    helper.host.run("usermod -aG d8-agent mallory")
    try:
        answer = helper.ask_all([{"verb": "start", "name": "shop"}], "mallory")[0]
    finally:
        helper.host.run("gpasswd -d mallory d8-agent")
    assert answer["ok"] is False and "may not ask" in answer["error"]


def test_idle_dripping_and_endless_callers_block_nobody(helper: HelperCaller) -> None:
    hold = """
import socket, sys, threading, time
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect("/run/d8-agent-helper/helper.sock")
    return s
idle, drips = [connect() for _ in range(6)], [connect() for _ in range(6)]
print("held", flush=True)
deadline = time.monotonic() + 4
while time.monotonic() < deadline:
    for one in drips:
        try:
            one.sendall(b"{")
        except OSError:
            pass
    time.sleep(0.1)
big = connect()
try:
    for _ in range(100):
        big.sendall(b"x" * 65536)
except OSError:
    print("cut off", flush=True)
"""
    host = helper.host
    host.push(hold.encode(), "/var/tmp/hold.py", mode=0o755)
    unit = ["systemd-run", "--quiet", "--collect", "--unit=holder", "--uid=d8-agent"]
    host.run([*unit, "--property=StandardOutput=file:/run/held", "python3", "/var/tmp/hold.py"])
    assert wait_until(lambda: "held" in host.run("cat /run/held", check=False).stdout, 30)
    assert helper.must("ping")["python"]
    assert wait_until(lambda: "cut off" in host.run("cat /run/held", check=False).stdout, 60)
    assert helper.must("ping")["python"]
    host.run("systemctl stop holder.service", check=False)
    host.run("rm -f /run/held /var/tmp/hold.py")


def test_six_hundred_quick_callers_do_not_close_the_door(helper: HelperCaller) -> None:
    rush = """
import socket
for _ in range(600):
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect("/run/d8-agent-helper/helper.sock")
        except OSError:
            pass
"""
    helper.host.run(["runuser", "-u", "d8-agent", "--", "python3", "-c", rush], timeout_seconds=240)
    assert helper.must("ping")["python"]
    assert helper.host.run("systemctl is-active d8-helper.socket").stdout.strip() == "active"


def test_the_missions_rule_is_found(helper: HelperCaller) -> None:
    host = helper.host
    assert helper.must("sudoers")["files"] == []
    rule = "siax-agent ALL=(ALL) NOPASSWD: /bin/systemctl\n"
    host.push(rule.encode(), "/etc/sudoers.d/siax-agent", owner="root", mode=0o440)
    answer = helper.must("sudoers")
    host.run("rm /etc/sudoers.d/siax-agent")
    assert answer == {"ok": True, "files": ["/etc/sudoers.d/siax-agent"], "unread": []}


def test_the_helper_itself_is_in_a_sandbox(helper: HelperCaller) -> None:
    score = helper.host.run("systemd-analyze security --no-pager d8-helper@x.service | tail -1").stdout
    assert float(score.split(":")[1].split()[0]) <= 4.5, score
