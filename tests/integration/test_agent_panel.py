"""The panel of a really started agent, asked as browsers and as other people's pages ask: sessions, Origin, headers."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedOK, InvalidStatus

from slave_agent.app import route_table
from slave_agent.orchestrator.app_store import AppRecord, AppStore
from slave_agent.states import PANEL_RIGHTS, RIGHTS_OF, Right, TokenScope
from tests.support.agent_process import Answer, RunningAgent, running_agent, unchecked_context
from tests.support.scripted_journal import ScriptedJournal
from tests.support.websocket import Viewer
from tests.unit.agent.test_routes import services

__all__ = ["services"]

COOKIE = "__Host-d8-slave-127-0-0-1"
PAGES = ("/", "/apps", "/audit")
FOREIGN = (
    "https://evil.example",
    "null",
    "",
    "https://127.0.0.1",
    "http://127.0.0.1:{port}",
    "https://localhost:{port}",
)


class Browser:
    """Asks as the panel's own pages do: its cookie, its Origin on everything but GET, no Bearer header."""

    def __init__(self, agent: RunningAgent) -> None:
        self.agent = agent
        self.cookie = ""
        self.origin = f"http{'s' if agent.tls else ''}://127.0.0.1:{agent.port}"

    def ask(self, method: str, path: str, document: object = None, **headers: str | None) -> Answer:
        """One request; a header that is None is left out, also one that would be sent by itself."""
        sent: dict[str, str | None] = {"Cookie": self.cookie or None}
        if method != "GET":
            sent["Origin"] = self.origin
            document = {} if document is None else document
        sent |= headers
        given = {name: value for name, value in sent.items() if value is not None}
        return self.agent.request(method, path, document, token=None, headers=given)

    def login(self, token: str | None = None, **headers: str | None) -> Answer:
        answer = self.ask("POST", "/login", {"token": token or self.agent.token}, **headers)
        if answer.status == 200:
            self.cookie = answer.headers["Set-Cookie"].partition(";")[0]
        return answer


@pytest.fixture
def browser(agent: RunningAgent) -> Browser:
    """Somebody who has logged in with the agent's own token."""
    made = Browser(agent)
    assert made.login().status == 200
    return made


@pytest.fixture
def own_browser(own_agent: RunningAgent) -> Browser:
    made = Browser(own_agent)
    assert made.login().status == 200
    return made


def grant(agent: RunningAgent, name: str, scope: str) -> str:
    token = secrets.token_urlsafe(24)
    body = {"scope": scope, "token_sha256": hashlib.sha256(token.encode()).hexdigest()}
    assert agent.request("PUT", f"/api/agent/tokens/{name}", body).status in (200, 201)
    return token


def test_without_a_session_a_page_leads_to_the_login_and_the_api_says_401(agent: RunningAgent) -> None:
    for path in PAGES:
        for method in ("GET", "HEAD"):
            answer = agent.request(method, path, token=None)
            assert (answer.status, answer.headers["Location"]) == (303, "/login")
        assert agent.get(path, token=None, headers={"Cookie": f"{COOKIE}=of-nobody"}).status == 303
    assert agent.get("/api/apps", token=None, headers={"Cookie": f"{COOKIE}=of-nobody"}).status == 401
    assert agent.get("/login", token=None).status == 200


def test_a_login_opens_the_pages_and_the_api_behind_them(browser: Browser) -> None:
    for path in PAGES:
        answer = browser.ask("GET", path)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert socket.gethostname() in answer.body.decode()
        assert "0123456789ab" in answer.body.decode()
    assert browser.ask("GET", "/api/apps").document == {"apps": []}
    assert browser.ask("GET", "/api/permissions").status == 200
    assert browser.ask("POST", "/api/apps/nothing/start").status == 404
    assert browser.ask("GET", "/login").headers["Location"] == "/apps"


def test_the_cookie_stays_with_this_host_and_out_of_scripts(agent: RunningAgent, tmp_path: Path) -> None:
    [cookie] = Browser(agent).login().headers.get_all("Set-Cookie")
    name, _, rest = cookie.partition("=")
    value, *attributes = rest.split("; ")
    assert name == COOKIE
    assert len(value) >= 43
    assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=Strict", "Secure"]
    with running_agent(tmp_path, tls=False) as plain:
        browser = Browser(plain)
        [cookie] = browser.login().headers.get_all("Set-Cookie")
        assert cookie.startswith("d8-slave-127-0-0-1=")
        assert sorted(cookie.split("; ")[1:]) == ["HttpOnly", "Path=/", "SameSite=Strict"]
        assert "plain HTTP" in browser.ask("GET", "/apps", **{"Accept-Language": "en"}).body.decode()
        assert "plain HTTP" in plain.get("/login", token=None, headers={"Accept-Language": "en"}).body.decode()


def test_every_login_is_a_session_of_its_own_and_the_one_before_ends(agent: RunningAgent) -> None:
    browser = Browser(agent)
    browser.login()
    first = browser.cookie
    browser.login()
    assert browser.cookie != first
    assert browser.ask("GET", "/api/apps").status == 200
    assert browser.ask("GET", "/api/apps", Cookie=first).status == 401


@pytest.mark.parametrize("origin", [*FOREIGN, None])
def test_no_other_page_logs_anybody_in(agent: RunningAgent, origin: str | None) -> None:
    sent = origin and origin.format(port=agent.port)
    answer = Browser(agent).login(Origin=sent)
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers
    assert answer.document["hint"]


def test_a_form_of_another_page_can_not_even_say_what_a_login_is(agent: RunningAgent) -> None:
    for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"):
        headers = {"Content-Type": kind, "Origin": f"https://127.0.0.1:{agent.port}"}
        answer = agent.request("POST", "/login", token=None, headers=headers, body=f"token={agent.token}")
        assert answer.status == 415


@pytest.mark.parametrize("origin", [*FOREIGN, None])
def test_no_other_page_uses_a_session(browser: Browser, services: Any, origin: str | None) -> None:
    sent = origin and origin.format(port=browser.agent.port)
    writes = [route for route in route_table(services).routes if route.method in ("POST", "PUT", "PATCH", "DELETE")]
    assert len(writes) > 15
    for route in writes:
        path = route.rule.replace("<name>", "x").replace("<job_id>", "x")
        assert browser.ask(route.method, path, Origin=sent).status == 403, route
    assert browser.ask("GET", "/api/apps").status == 200, "the session is still there"


def test_a_foreign_page_reads_nothing_with_a_session(browser: Browser) -> None:
    assert browser.ask("GET", "/api/apps", Origin="https://evil.example").status == 403
    answer = browser.ask("GET", "/api/apps")
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def test_a_rebound_name_reaches_no_session(browser: Browser) -> None:
    rebound = {"Host": "evil.example", "Origin": "https://evil.example"}
    assert browser.ask("GET", "/apps", Host="evil.example").status == 403
    assert browser.ask("GET", "/api/apps", Host="evil.example").status == 403
    assert browser.ask("POST", "/api/apps/x/stop", **rebound).status == 403
    assert browser.login(**rebound).status == 403
    assert browser.agent.get("/login", token=None, headers={"Host": "evil.example"}).status == 403


def test_a_bearer_token_counts_more_than_a_session(browser: Browser) -> None:
    reader = grant(browser.agent, "reader", "read")
    assert browser.ask("GET", "/api/audit").status == 200
    assert browser.ask("GET", "/api/audit", Authorization=f"Bearer {reader}").status == 403
    assert browser.ask("GET", "/api/audit", Authorization="Bearer wrong").status == 401
    bearer = f"Bearer {browser.agent.token}"
    assert browser.ask("POST", "/api/apps/nothing/stop", Authorization=bearer, Origin=None).status == 404


def test_a_session_may_what_its_token_may_as_far_as_the_panel_goes(agent: RunningAgent, services: Any) -> None:
    for scope in TokenScope:
        browser = Browser(agent)
        browser.login(grant(agent, f"panel-{scope.value}", scope.value))
        for route in route_table(services).routes:
            if route.method not in ("GET", "POST", "PUT", "PATCH", "DELETE") or route.rule in ("/login", "/logout"):
                continue
            path = route.rule.replace("<name>", "x").replace("<job_id>", "x")
            body = None if route.method == "GET" else {"no such field": 1}
            answer = browser.ask(route.method, path, body)
            is_refused = answer.status == 403 and b"no right" in answer.body
            assert is_refused is (route.right not in RIGHTS_OF[scope] & PANEL_RIGHTS), (route, answer.status)
            assert answer.status not in (303, 401), route
        rights = re.findall(r'data-rights="([^"]*)"', browser.ask("GET", "/apps").body.decode())
        assert rights == [
            " ".join(right.value for right in Right if right in RIGHTS_OF[scope] & PANEL_RIGHTS - {Right.NONE})
        ]


def test_a_session_dies_with_its_token(own_browser: Browser) -> None:
    agent = own_browser.agent
    token = grant(agent, "ci", "read")
    browser = Browser(agent)
    browser.login(token)
    assert browser.ask("GET", "/api/apps").status == 200
    assert agent.request("DELETE", "/api/agent/tokens/ci").status == 200
    assert browser.ask("GET", "/api/apps").status == 401
    assert browser.ask("GET", "/apps").status == 303
    replaced = Browser(agent)
    replaced.login(grant(agent, "ci", "read"))
    grant(agent, "ci", "read")
    assert replaced.ask("GET", "/api/apps").status == 401, "another token has the name now"
    assert agent.request("POST", "/api/agent/revoke").status == 200
    assert own_browser.ask("GET", "/api/apps").status == 401


def test_a_session_dies_when_a_build_gives_the_slave_another_token(own_browser: Browser) -> None:
    agent, new = own_browser.agent, secrets.token_urlsafe(24)
    pair = agent.authority.issue()
    body = {
        "slave_id": "slave-1",
        "token_sha256": hashlib.sha256(new.encode()).hexdigest(),
        "certificate": pair.certificate,
        "private_key": pair.private_key,
        "ca_certificate": agent.authority.certificate,
    }
    assert agent.post("/api/agent/enroll", body).status == 200
    assert own_browser.ask("GET", "/api/apps").status == 200, "until it is confirmed both tokens are in force"
    assert agent.post("/api/agent/confirm", token=new).status == 200
    assert own_browser.ask("GET", "/api/apps").status == 401


def test_logout_ends_the_session_for_good(browser: Browser) -> None:
    other = Browser(browser.agent)
    other.login()
    answer = browser.ask("POST", "/logout")
    assert (answer.status, answer.document) == (200, {"next": "/login"})
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert browser.ask("GET", "/api/apps").status == 401
    assert browser.ask("POST", "/logout").status == 401
    assert other.ask("GET", "/api/apps").status == 200


def test_a_stolen_cookie_is_of_no_use_from_elsewhere(browser: Browser) -> None:
    def status_from(address: str) -> int:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", browser.agent.port, source_address=(address, 0), context=unchecked_context(), timeout=30
        )
        connection.request("GET", "/api/apps", headers={"Cookie": browser.cookie})
        status = connection.getresponse().status
        connection.close()
        return status

    assert (status_from("127.0.0.1"), status_from("127.0.0.9")) == (200, 401)


def test_a_restart_ends_every_session_and_nothing_of_one_is_on_the_disk(own_browser: Browser) -> None:
    agent = own_browser.agent
    value = own_browser.cookie.partition("=")[2]
    agent.kill()
    stored = b"".join(path.read_bytes() for path in sorted(agent.folder.rglob("*")) if path.is_file())
    assert value.encode() not in stored
    assert hashlib.sha256(value.encode()).hexdigest().encode() not in stored
    agent.restart()
    assert own_browser.ask("GET", "/api/apps").status == 401
    assert own_browser.login().status == 200


def test_guesses_at_the_login_and_at_the_api_count_together(own_agent: RunningAgent) -> None:
    browser = Browser(own_agent)
    statuses = [browser.login(f"guess-{number}").status for number in range(5)]
    statuses += [own_agent.get("/api/version", token=f"guess-{number}").status for number in range(5)]
    assert statuses == [401] * 10
    answer = browser.login("one more guess")
    assert answer.status == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert own_agent.get("/api/version", token="one more guess").status == 429
    assert browser.login().status == 200, "the right one is never locked out"


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 422), ({"token": ""}, 422), ({"token": 7}, 422), ({"token": None}, 422), ({"token": "x", "user": "y"}, 422),
     ([], 422), ({"token": "x" * 5000}, 422), ({"token": "\ud800"}, 401)],
)  # fmt: skip
def test_what_is_no_login_is_refused(own_agent: RunningAgent, body: object, status: int) -> None:
    answer = Browser(own_agent).ask("POST", "/login", body)
    assert (answer.status, "Set-Cookie" in answer.headers) == (status, False)


def test_a_token_is_taken_with_the_spaces_that_were_copied_along(agent: RunningAgent) -> None:
    assert Browser(agent).login(f"  {agent.token}\n").status == 200


def test_the_audit_log_has_logins_and_what_sessions_did(own_agent: RunningAgent) -> None:
    token = grant(own_agent, "ana", "operate")
    browser = Browser(own_agent)
    browser.login("wrong")
    browser.login(token)
    browser.ask("POST", "/api/apps/nothing/stop")
    wanted = {
        ("unknown", "POST /login", 401),
        ("ana", "POST /login", 200),
        ("ana", "POST /api/apps/nothing/stop", 404),
    }
    deadline = time.monotonic() + 30
    while True:
        entries = own_agent.get("/api/audit").document["entries"]
        if wanted <= {(entry["who"], entry["what"], entry["status"]) for entry in entries}:
            break
        assert time.monotonic() < deadline, entries
        time.sleep(0.05)
    log = own_agent.log_with('"POST /api/apps/nothing/stop" 404')
    assert token not in log
    assert browser.cookie.partition("=")[2] not in log


def test_pages_allow_no_inline_code_and_have_none(browser: Browser) -> None:
    for path in (*PAGES, "/login"):
        answer = browser.ask("GET", path) if path != "/login" else browser.agent.get("/login", token=None)
        assert answer.headers["Content-Security-Policy"] == (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        page = answer.body.decode()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|https?://", page)
        assert re.findall(r"<script[^>]*>([^<]*)</script>", page) == [""]


def test_static_files_are_what_the_pages_name_and_have_their_types(browser: Browser) -> None:
    named = set()
    for path in (*PAGES, "/login"):
        page = browser.agent.get(path).body.decode() if path != "/login" else _login_page(browser.agent)
        named |= set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page))
    assert {"/static/apps.js", "/static/audit.js", "/static/login.js", "/static/panel.css"} <= named
    types = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
    for path in named:
        answer = browser.agent.get(path, token=None)
        assert (answer.status, answer.headers["Content-Type"]) == (200, types[path.rpartition(".")[2]])
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def _login_page(agent: RunningAgent, **headers: str) -> str:
    return agent.get("/login", token=None, headers=headers).body.decode()


def test_the_panel_speaks_the_browsers_language(agent: RunningAgent) -> None:
    spanish = _login_page(agent, **{"Accept-Language": "es-MX,en;q=0.5"})
    english = _login_page(agent, **{"Accept-Language": "en-US"})
    assert '<html lang="es">' in spanish and "Entrar" in spanish
    assert '<html lang="en">' in english and "Log in" in english
    texts = json.loads(_unescaped(re.findall(r'data-texts="([^"]*)"', spanish)[0]))
    assert texts["running"] == "en marcha"


def _unescaped(text: str) -> str:
    for escaped, plain in (("&#34;", '"'), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(escaped, plain)
    return text


@pytest.fixture
def with_a_log(tmp_path: Path) -> Iterator[RunningAgent]:
    journal = ScriptedJournal(tmp_path / "bin")
    journal.write("one")
    document = {"name": "web", "kind": "node", "script": "/x.js", "user": "pi", "working_dir": "/"}
    with running_agent(tmp_path, environment=journal.environment, scope="system") as agent:
        AppStore(agent.state_dir / "apps").write(AppRecord("web", document))
        yield agent


def watch(agent: RunningAgent, cookie: str, origin: str | None) -> Viewer:
    return Viewer(
        f"wss://127.0.0.1:{agent.port}/logs/web",
        ssl=unchecked_context(),
        additional_headers={"Cookie": cookie},
        origin=origin,
        compression=None,
        proxy=None,
        open_timeout=30,
    )


def test_a_websocket_with_a_session_needs_the_own_origin(with_a_log: RunningAgent) -> None:
    browser = Browser(with_a_log)
    browser.login()
    for origin in (None, "null", "https://evil.example", "https://127.0.0.1"):
        with pytest.raises(InvalidStatus) as refused:
            watch(with_a_log, browser.cookie, origin)
        assert refused.value.response.status_code == 403
    with watch(with_a_log, browser.cookie, browser.origin) as viewer:
        assert json.loads(viewer.recv(30))[0]["message"] == "one"


def test_a_websocket_ends_with_the_session_that_opened_it(with_a_log: RunningAgent) -> None:
    browser = Browser(with_a_log)
    browser.login()
    with watch(with_a_log, browser.cookie, browser.origin) as viewer:
        assert json.loads(viewer.recv(30))[0]["message"] == "one"
        assert browser.ask("POST", "/logout").status == 200
        [end] = json.loads(viewer.recv(30))
        assert end["type"] == "end" and "session" in end["reason"]
        with pytest.raises(ConnectionClosedOK):
            viewer.recv(30)
