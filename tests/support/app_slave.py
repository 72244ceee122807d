"""A built slave with real apps on it: its HTTP interface as a client has it, and what is true on the host itself."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab.host import Host

APPS = Path(__file__).resolve().parents[1] / "fixtures" / "apps"
OPERATION_SECONDS = 120.0
Document = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: http.client.HTTPMessage
    document: Any


@dataclass
class AppSlave:
    """Given the host, its agent's token and the fleet's certificate. `user` is who the apps run as."""

    host: Host
    token: str
    authority: Path
    user: str
    is_user_scope: bool = False
    context: ssl.SSLContext = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.context = ssl.create_default_context(cafile=str(self.authority))

    # --- over HTTP ---

    def call(
        self,
        method: str,
        path: str,
        document: object = None,
        seconds: float = OPERATION_SECONDS,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send one request, with the token unless there are other headers; the certificate is checked."""
        connection = http.client.HTTPSConnection(self.host.address, 7600, timeout=seconds, context=self.context)
        shown = {"Authorization": f"Bearer {self.token}"} if headers is None else headers
        sent = None if document is None else json.dumps(document).encode()
        try:
            connection.request(method, path, sent, shown | {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        is_json = "json" in response.headers.get("Content-Type", "")
        return Answer(response.status, response.headers, json.loads(text) if is_json else text.decode())

    def patiently(self, method: str, path: str, document: object = None) -> Answer:
        """Send a request, again after the second in which the app takes no other."""
        while (answer := self.call(method, path, document)).status == 429:
            time.sleep(float(answer.headers["Retry-After"]))
        return answer

    def done(self, method: str, path: str, document: object = None, status: int = 200) -> Any:
        """Send a request that must succeed, and return what it answered."""
        answer = self.patiently(method, path, document)
        assert answer.status == status, (method, path, answer)
        return answer.document

    def status(self, name: str) -> Document:
        """The AppStatus of an app, with its last lines."""
        document: Document = self.done("GET", f"/api/apps/{name}/status")
        return document

    def names(self) -> list[str]:
        """The names of all apps."""
        return [app["name"] for app in self.done("GET", "/api/apps")["apps"]]

    def wait_for_agent(self, former_pid: int = 0) -> None:
        """Wait until the agent answers; as another process than the former one, where that is given."""

        def is_back() -> bool:
            try:
                return self.call("GET", "/api/health", seconds=5).status == 200
            except OSError:
                return False

        eventually(lambda: not former_pid or self.agent_pid() not in (0, former_pid), "a new process of the agent")
        eventually(is_back, "the agent to answer", 120)

    def wait_for_status(self, name: str, status: str) -> Document:
        """Wait until an app has that status; return its AppStatus."""
        eventually(lambda: self.status(name)["status"] == status, f"{name} to be {status}")
        return self.status(name)

    # --- on the host ---

    def agent_pid(self) -> int:
        """The pid of the agent's unit; 0 while there is none."""
        return int(self.host.run("systemctl show -p MainPID --value d8-agent").stdout)

    def agent_to_kill(self) -> int:
        """The agent's pid, after systemd forgot its former ends: the fourth within two minutes brings the bootstrap."""
        self.host.run("systemctl reset-failed d8-agent")
        return self.agent_pid()

    @property
    def home(self) -> str:
        """The home of the apps' user."""
        return self.host.run(f"getent passwd {self.user} | cut -d: -f6").stdout.strip()

    @property
    def state_dir(self) -> str:
        """Where the agent keeps its state."""
        document = self.host.run(
            "cat /opt/d8-agent/current/agent.json ~/.d8-agent/current/agent.json 2>/dev/null", self.user, check=False
        )
        return str(json.loads(document.stdout)["state_dir"])

    def bring_apps(self) -> None:
        """Copy the fixtures into the user's home: node_app, and fastapi_app with a venv of its own."""
        for name in ("node_app", "fastapi_app"):
            self.host.push(APPS / name, f"{self.home}/{name}", owner=self.user)
        self.host.run(
            f"cp -a /opt/fastapi-venv {self.home}/fastapi_app/.venv && chown -R {self.user}: {self.home}/fastapi_app"
        )

    def systemctl(self, *words: str) -> str:
        """Ask the manager that holds the apps; return what it prints, whatever its exit code."""
        if self.is_user_scope:
            return self.host.run(
                f"XDG_RUNTIME_DIR=/run/user/$(id -u) systemctl --user --no-pager {' '.join(words)}",
                self.user,
                check=False,
            ).stdout
        return self.host.run(f"systemctl --no-pager {' '.join(words)}", check=False).stdout

    def shows(self, name: str, *properties: str) -> dict[str, str]:
        """Properties of an app's unit, as systemd itself tells them."""
        text = self.systemctl("show", f"d8-app-{name}.service", *(f"-p {one}" for one in properties))
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def owner_of(self, pid: int) -> str:
        """The user of a process; empty where there is none."""
        return self.host.run(["ps", "-o", "user=", "-p", str(pid)], check=False).stdout.strip()

    def asks_app(self, port: int, path: str) -> Any:
        """GET an app's own page, from the host itself; waits for an app that does not listen yet."""
        patience = "--max-time 60 --retry 60 --retry-delay 1 --retry-connrefused"
        return json.loads(self.host.run(f"curl -sS --fail {patience} http://127.0.0.1:{port}{path}").stdout)

    def left_of(self, name: str) -> list[str]:
        """Everything of an app that is on the disk or in systemd."""
        patterns = (f"d8-app-{name}.*", f"{name}.env*", f"{name}.json*", f"{name}.lock", f"{name}.trial", f".{name}.*")
        names = " -o ".join(f"-name '{pattern}'" for pattern in patterns)
        places = f"/etc /run /opt /var/lib {self.home} -not -path '*/.venv/*'"
        looked = f"find {places} \\( {names} \\) 2>/dev/null"
        files = self.host.run(looked, check=False).stdout.split()
        units = self.systemctl("list-units", "--all", "--no-legend", "--plain", f"'d8-app-{name}.service'").split()
        return files + units[:1]

    def has_lines(self, name: str, count: int) -> list[str]:
        """The messages of an app's log once there are so many of them."""
        messages: list[str] = []

        def look() -> bool:
            page = self.done("GET", f"/api/apps/{name}/logs?lines={count}")
            messages[:] = [entry["message"] for entry in page["entries"]]
            return len(messages) >= count

        eventually(look, f"{count} lines of {name}")
        return messages


def eventually(is_so: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait until it is so. Raises AssertionError that says what was waited for."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.2)


def node(slave: AppSlave, name: str = "shop", **more: object) -> Document:
    """The document of the Node.js fixture."""
    folder = f"{slave.home}/node_app"
    document = {
        "name": name,
        "kind": "node",
        "script": f"{folder}/server.js",
        "user": slave.user,
        "working_dir": folder,
    }
    return document | {"environment": {"PORT": "3100", "GREETING": 'hola ñ "quoted" $HOME %n'}, "port": 3100} | more


def npm(slave: AppSlave, name: str = "front", **more: object) -> Document:
    """The same through npm's script."""
    return node(slave, name, environment={"PORT": "3101"}, port=3101) | {"kind": "npm", "script": "serve"} | more


def fastapi(slave: AppSlave, name: str = "api", **more: object) -> Document:
    """The document of the FastAPI fixture, in its own venv."""
    folder = f"{slave.home}/fastapi_app"
    document = {"name": name, "kind": "fastapi", "script": "main:app", "user": slave.user, "working_dir": folder}
    return document | {"host": "127.0.0.1", "port": 8100, "environment": {"VERSION": "1"}} | more


def python(slave: AppSlave, name: str = "worker", **more: object) -> Document:
    """The document of the plain Python script."""
    folder = f"{slave.home}/fastapi_app"
    document = {"name": name, "kind": "python", "script": f"{folder}/worker.py", "user": slave.user}
    return document | {"working_dir": folder, "arguments": ["--queue", "a b"]} | more


def module(slave: AppSlave, name: str = "beat", **more: object) -> Document:
    """The same as a module."""
    return python(slave, name) | {"kind": "module", "script": "worker"} | more
