"""Apps with naughty texts on a real host: what is laid out, what each has to find when it runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from slave_agent.systemd.environment_file import render_environment
from slave_agent.systemd.service_config import ServiceConfig, config_from, problems_in
from slave_agent.systemd.service_generator import Placement, render_unit
from tests.lab.host import Host
from tests.support.handover import wait_until
from tests.support.naughty import CANARY, FIELDS, NAUGHTY, PLAIN

# Thirty of the accepted pairs: (the field, the text's name).
CHOSEN = [
    ("argument", "a specifier"),
    ("argument", "three per cents"),
    ("argument", "a per cent in hex"),
    ("argument", "a braced variable"),
    ("argument", "four dollars"),
    ("argument", "an end of the word"),
    ("argument", "a quote after two"),
    ("argument", "a newline in hex"),
    ("argument", "a closing backslash"),
    ("argument", "a semicolon alone"),
    ("argument", "a substitution"),
    ("argument", "nothing"),
    ("argument between", "a line that goes on"),
    ("argument between", "a second command with blanks"),
    ("value", "a specifier"),
    ("value", "a variable in a word"),
    ("value", "another variable in one line"),
    ("value", "a closing backslash"),
    ("value", "a substitution in backticks"),
    ("value", "blanks around"),
    ("value between", "a line that goes on"),
    ("value between", "a section in one line"),
    ("description", "a setting in one line"),
    ("description", "a specifier of the home"),
    ("description", "a closing backslash in the middle"),
    ("script of python", "a path with quotes"),
    ("script of python", "a path with a specifier"),
    ("working_dir", "a path with letters of the world"),
    ("working_dir", "a path with a semicolon"),
    ("strict working_dir", "a path with quotes"),
]
EXTRA = {"a closing backslash in the middle": "a\\ b \\x41 \\\\ c"}
REPORT = """\
import json, os, sys
found = {
    "argv": sys.argv[1:],
    "script": sys.argv[0],
    "cwd": os.getcwd(),
    "environment": dict(os.environ),
    "user": os.getuid(),
}
with open("result.json.new", "w") as stream:
    json.dump(found, stream)
os.rename("result.json.new", "result.json")
import time
time.sleep(600)
"""
LAY_OUT = """\
import json, os, pwd, sys
pi = pwd.getpwnam("pi")
for path, (text, mode, folder_is_pis) in json.load(sys.stdin).items():
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if folder_is_pis:
        os.chown(os.path.dirname(path), pi.pw_uid, pi.pw_gid)
    with open(path, "w") as stream:
        stream.write(text)
    os.chmod(path, mode)
"""
GATHER = """\
import json, sys
found = {}
for name, path in json.load(sys.stdin).items():
    try:
        found[name] = json.load(open(path))
    except FileNotFoundError:
        pass
print(json.dumps(found))
"""
# What systemd itself sets for a service, and what every app of D8 gets.
USUAL_NAMES = {"HOME", "INVOCATION_ID", "JOURNAL_STREAM", "LANG", "LC_CTYPE", "LOGNAME", "PATH", "PYTHONUNBUFFERED"}
USUAL_NAMES |= {"SHELL", "SYSTEMD_EXEC_PID", "USER", "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE", "TMPDIR"}


Files = dict[str, tuple[str, int, bool]]


@dataclass(frozen=True)
class Case:
    """One app on the host, with what it must find when it runs."""

    config: ServiceConfig
    label: str

    @property
    def environment_file(self) -> str:
        return f"/etc/d8-agent/apps/{self.config.name}.env"

    @property
    def unit_path(self) -> str:
        return f"/etc/systemd/system/{self.config.unit}"

    @property
    def result_path(self) -> str:
        return f"{self.config.working_dir}/result.json"

    @property
    def own_files(self) -> Files:
        """The app's own: path → text, mode, whether its folder is the user's."""
        return {
            self.config.script: (REPORT, 0o644, False),
            f"{self.config.working_dir}/here": ("", 0o644, True),
        }

    @property
    def service_files(self) -> Files:
        """What makes a service of it."""
        placement = Placement(False, self.environment_file, "/usr/bin/python3")
        return {
            self.unit_path: (render_unit(self.config, placement), 0o644, False),
            self.environment_file: (render_environment(self.config.environment), 0o600, False),
        }


def case(number: int, field: str, label: str, text: str) -> Case:
    name = f"naughty-{number}"
    document = {**PLAIN, "name": name, "script": f"/srv/{name}/code/main.py", "working_dir": f"/srv/{name}"}
    changes: dict[str, Any] = FIELDS[field](text)
    for path in ("script", "working_dir"):  # the texts' paths are all below /srv; each app has its own
        if path in changes:
            changes[path] = f"/srv/{name}" + changes[path].removeprefix("/srv")
    return Case(config_from({**document, **changes}), f"{field}: {label}")


def chosen_cases() -> list[Case]:
    texts = {**NAUGHTY, **EXTRA}
    return [case(number, field, label, texts[label]) for number, (field, label) in enumerate(CHOSEN)]


def whole_table_cases() -> list[Case]:
    """Every text that an argument or a value may hold, in as few apps as the limits allow."""
    cases = []
    for field in ("argument", "value"):
        texts = [text for text in NAUGHTY.values() if not problems_in({**PLAIN, **FIELDS[field](text)})]
        for first in range(0, len(texts), 50):
            part = texts[first : first + 50]
            name = f"table-{field}-{first}"
            document = {**PLAIN, "name": name, "script": f"/srv/{name}/main.py", "working_dir": f"/srv/{name}"}
            if field == "argument":
                document["arguments"] = part
            else:
                document["environment"] = {"VALUE": json.dumps(part, ensure_ascii=False), **numbered(part)}
            cases.append(Case(config_from(document), f"all of the table, {field}s from {first}"))
    return cases


def numbered(texts: list[str]) -> dict[str, str]:
    return {f"VALUE_{number}": text for number, text in enumerate(texts)}


def lay_out(host: Host, files: Files) -> None:
    """Write the files on the host."""
    host.run(["python3", "-c", LAY_OUT], input=json.dumps(files))


def gather(host: Host, cases: list[Case]) -> dict[str, dict[str, Any]]:
    """Return what each app found when it ran, by the app's name, once all have."""
    paths = {one.config.name: one.result_path for one in cases}
    found: dict[str, dict[str, Any]] = {}

    def is_complete() -> bool:
        done = host.run(["python3", "-c", GATHER], input=json.dumps(paths))
        found.update(json.loads(done.stdout))
        return len(found) == len(cases)

    is_there = wait_until(is_complete, 90, pause=0.5)
    assert is_there, [one.label for one in cases if one.config.name not in found]
    return found


def check(host: Host, cases: list[Case]) -> None:
    """Every app runs as its user with exactly what was given; nothing else was run."""
    user = int(host.run("id -u pi").stdout)
    found = gather(host, cases)
    for one in cases:
        facts, config = found[one.config.name], one.config
        assert facts["argv"] == list(config.arguments), one.label
        assert facts["script"] == config.script, one.label
        assert facts["cwd"] == config.working_dir, one.label
        assert facts["user"] == user, one.label
        given = dict(config.environment)
        assert {name: facts["environment"].get(name) for name in given} == given, one.label
        assert set(facts["environment"]) <= USUAL_NAMES | set(given), one.label
    units = [one.config.unit for one in cases]
    shown = host.run(["systemctl", "show", "-p", "Description", "--value", *units]).stdout.split("\n\n")
    wanted = [one.config.description or one.config.unit for one in cases]
    assert [text.strip("\n") for text in shown] == wanted
    assert not host.exists(CANARY)


def prepare_canary(host: Host) -> None:
    """Make the folder in which everybody could leave the canary."""
    host.run(f"install -d -m 1777 {PurePosixPath(CANARY).parent}; rm -f {CANARY}")
