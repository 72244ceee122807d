"""The panel in a real headless Chromium, where there is one: what only a browser can tell of forms, cookies, policy."""

from __future__ import annotations

import hashlib
import secrets
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from slave_agent.orchestrator.app_store import AppRecord, AppStore
from tests.support.agent_process import RunningAgent, running_agent
from tests.support.browser import Page, browser_page, chromium
from tests.support.scripted_journal import ScriptedJournal

PROGRAM = chromium()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium here (D8_TEST_CHROMIUM names one)")

MARKUP = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"
# What systemd says of the two apps.
SYSTEMCTL = """#!/bin/sh
printf 'Id=d8-app-%s.service\\nLoadState=loaded\\nActiveState=inactive\\nSubState=dead\\nMainPID=0\\n' panel-one
printf 'NRestarts=0\\nResult=success\\n\\n'
printf 'Id=d8-app-%s.service\\nLoadState=loaded\\nActiveState=failed\\nSubState=failed\\nMainPID=0\\n' panel-two
printf 'NRestarts=5\\nResult=start-limit-hit\\n'
"""


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[RunningAgent]:
    """An agent with two apps, and an audit log that somebody who may only guess has written into."""
    journal = ScriptedJournal(tmp_path / "bin")
    systemctl = journal.folder / "systemctl"
    systemctl.write_text(SYSTEMCTL)
    systemctl.chmod(0o755)
    with running_agent(tmp_path, environment=journal.environment) as running:
        for name in ("panel-two", "panel-one"):
            document = {
                "name": name,
                "kind": "node",
                "script": "/srv/panel/nothing.js",
                "user": "pi",
                "working_dir": "/srv/panel",
            }
            AppStore(running.state_dir / "apps").write(AppRecord(name, document))
        yield running


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    assert PROGRAM is not None
    with browser_page(PROGRAM, tmp_path / "profile") as opened:
        yield opened


def log_in(page: Page, agent: RunningAgent, token: str = "") -> None:
    page.open(f"https://127.0.0.1:{agent.port}/audit")
    page.until("document.getElementById('token')")
    page.until("document.readyState === 'complete'")
    page.run(f"document.getElementById('token').value = {token or agent.token!r}")
    page.run("document.querySelector('#login button').click()")
    page.until("location.pathname === '/apps' && document.querySelectorAll('#apps tbody tr').length === 2")


def text_of(page: Page, selector: str) -> str:
    return str(page.run(f"document.querySelector({selector!r}).innerText"))


def test_from_the_login_over_apps_and_audit_to_the_way_out(page: Page, agent: RunningAgent) -> None:
    page.open(f"https://127.0.0.1:{agent.port}/")
    page.until("document.getElementById('token') && document.readyState === 'complete'")
    page.run("document.getElementById('token').value = 'wrong'")
    page.run("document.querySelector('#login button').click()")
    page.until("document.querySelector('.banner.bad').innerText.includes('The token is wrong')")
    log_in(page, agent)
    assert page.run("document.cookie") == "", "no script reads the session"
    assert "stopped" in text_of(page, "tr[data-app=panel-one] .status")
    assert "systemd gave up starting it" in text_of(page, "tr[data-app=panel-two] .status")
    page.until("document.querySelector('#missing .banner').innerText.includes('sudo loginctl enable-linger pi')")
    page.run("document.querySelector('tr[data-app=panel-one] [data-verb=start]').click()")
    page.until("document.querySelector('#notice .banner.bad').innerText.includes('panel-one: Start')")
    page.until("!document.querySelector('tr[data-app=panel-one] [data-verb=start]').disabled")
    page.open(f"https://127.0.0.1:{agent.port}/audit")
    page.until("document.querySelector('#audit tbody').innerText.includes('POST /api/apps/panel-one/start')")
    for _ in range(60):
        agent.request("DELETE", "/api/agent/tokens/nobody")
    page.until("fetch('/api/audit').then((one) => one.json()).then((one) => one.last_id >= 60)")
    page.run("document.getElementById('newest').click()")
    page.until("document.querySelectorAll('#audit tbody tr').length === 50")
    newest = page.run("document.querySelector('#audit tbody').innerText")
    page.run("document.getElementById('older').click()")
    page.until("document.querySelector('#audit tbody').innerText.includes('POST /login')")
    page.until("document.getElementById('older').disabled && !document.getElementById('newer').disabled")
    assert "POST /login" not in newest, "a page does not repeat the one before"
    page.run("document.getElementById('logout').click()")
    page.until("location.pathname === '/login' && document.getElementById('token')")
    page.open(f"https://127.0.0.1:{agent.port}/apps")
    page.until("location.pathname === '/login' && document.getElementById('token')")
    assert not [text for text in page.messages if "Content Security Policy" in text or "Exception" in text]


def test_a_token_that_may_only_look_has_no_buttons_to_press(page: Page, agent: RunningAgent) -> None:
    token = secrets.token_urlsafe(24)
    body = {"scope": "read", "token_sha256": hashlib.sha256(token.encode()).hexdigest()}
    assert agent.request("PUT", "/api/agent/tokens/reader", body).status == 201
    log_in(page, agent, token)
    assert page.run("[...document.querySelectorAll('td.actions button')].every((one) => one.disabled && one.title)")
    assert "may only look" in text_of(page, "#no-right")
    page.open(f"https://127.0.0.1:{agent.port}/audit")
    page.until("document.querySelector('#notice .banner.bad').innerText.includes('no right to audit')")
    assert agent.request("DELETE", "/api/agent/tokens/reader").status == 200
    page.open(f"https://127.0.0.1:{agent.port}/apps")
    page.until("location.pathname === '/login'")


def test_a_slave_that_went_away_is_told_of_what_was_asked(page: Page, agent: RunningAgent) -> None:
    log_in(page, agent)
    agent.kill()
    page.until("document.querySelector('#away .banner').innerText.includes('trying again')")
    page.run("document.querySelector('tr[data-app=panel-one] [data-verb=start]').click()")
    page.until("document.querySelector('#notice .banner.bad').innerText.includes('panel-one: Start')")
    page.run("window.asked = 0; new MutationObserver(() => { window.asked += 1 }).observe(away, {childList: true})")
    page.until("window.asked >= 2")
    assert "may have been done all the same" in text_of(page, "#notice"), "the table's next look leaves it there"
    assert "trying again" not in text_of(page, "#notice"), "nobody sends an order twice"
    agent.restart()
    page.until("location.pathname === '/login'")
    log_in(page, agent)
    page.open(f"https://127.0.0.1:{agent.port}/audit")
    page.until("document.querySelectorAll('#audit tbody tr').length > 0")
    agent.kill()
    page.run("document.getElementById('newest').click()")
    page.until("document.querySelector('#notice .banner.bad').innerText.includes('does not answer')")
    assert "trying again" not in text_of(page, "#notice"), "the audit log is asked for when somebody presses"


def test_markup_from_elsewhere_is_text(page: Page, agent: RunningAgent) -> None:
    agent.get(f"/{MARKUP}".replace(" ", "%20").replace("<", "%3C").replace(">", "%3E"), token="wrong")
    agent.log_with("401")
    log_in(page, agent)
    page.open(f"https://127.0.0.1:{agent.port}/audit")
    page.until("document.querySelector('#audit tbody').innerText.includes('onerror=')")
    assert page.run("document.querySelectorAll('main img, main script').length") == 0
    assert "owned" not in page.run("document.title")
    page.run("document.addEventListener('securitypolicyviolation', () => { window.refused = true })")
    page.run("document.body.insertAdjacentHTML('beforeend', `<img src=x onerror=\"document.title='owned'\">`)")
    page.until("window.refused")
    assert "owned" not in page.run("document.title")


class _EmptyPage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def other_server(agent: RunningAgent, folder: Path) -> Iterator[str]:
    """Somebody else's server on the same host, with TLS and without any policy; yields its address."""
    pair = agent.authority.issue()
    file = folder / "other.pem"
    file.write_text(pair.certificate + pair.private_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with ThreadingHTTPServer(("127.0.0.1", 0), _EmptyPage) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"https://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def test_pages_of_other_servers_get_nothing_with_the_session(page: Page, agent: RunningAgent, tmp_path: Path) -> None:
    """To a browser another port of the same host is the same site: its pages' requests carry the cookie."""
    log_in(page, agent)
    target = f"https://127.0.0.1:{agent.port}"
    with other_server(agent, tmp_path) as other:
        page.open(f"{other}/")
        page.until(f"location.origin === {other!r} && document.readyState === 'complete'")
        read = f"fetch('{target}/api/apps', {{credentials: 'include'}}).then(() => 'read', () => 'refused')"
        assert page.run(read) == "refused"
        order = "{method: 'POST', credentials: 'include', mode: 'no-cors', body: '{}'}"
        page.run(f"fetch('{target}/api/apps/panel-one/stop', {order}).then(() => 1, () => 1)")
        agent.log_with('"POST /api/apps/panel-one/stop" 403')
        form = f"<form method=post enctype=text/plain action='{target}/login'><input name=token value=x></form>"
        page.run(f"document.body.innerHTML = {form!r}")
        page.run("document.forms[0].submit()")
        agent.log_with('"POST /login" 403')
    page.open(f"{target}/apps")
    page.until("document.querySelectorAll('#apps tbody tr').length === 2")
