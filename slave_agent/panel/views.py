"""The panel's pages: a shell around what their scripts fetch from the API. Nothing of an app is rendered here."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import slave_agent
from slave_agent.api.exchange import Exchange
from slave_agent.api.problems import Reply
from slave_agent.models import AgentSettings
from slave_agent.monitor.host_facts import hostname
from slave_agent.panel.texts import TEXTS, language_of
from slave_agent.states import Right

HERE = Path(__file__).parent
PAGES = ("login", "apps", "audit")
SHOWN_RIGHTS = (Right.READ, Right.OPERATE, Right.AUDIT)
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_FOR_SCRIPTS = TEXTS["en"].keys() - {"login", "logout", "token", "token_hint", "no_script", "version", "commit"}


class Pages:
    """Given the settings; a template that is missing or wrong stops the agent at its start, not a page later on.
    Cache-Control and X-Content-Type-Options come from the server, for every answer.
    """

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        templates = {page: environment.get_template(f"{page}.html.j2") for page in ("base", *PAGES)}
        self._pages = {page: templates[page] for page in PAGES}

    async def login(self, exchange: Exchange) -> None:
        """GET /login; who has a session already is shown the apps."""
        if exchange.credential is not None:
            await exchange.send(Reply(303, {"Location": "/apps", **SECURITY_HEADERS}, b""))
            return
        await self._show(exchange, "login")

    async def apps(self, exchange: Exchange) -> None:
        """GET / and /apps."""
        await self._show(exchange, "apps")

    async def audit(self, exchange: Exchange) -> None:
        """GET /audit."""
        await self._show(exchange, "audit")

    async def _show(self, exchange: Exchange, page: str) -> None:
        language = language_of(exchange.header("accept-language"), self._settings.language)
        texts = TEXTS[language]
        rights = exchange.credential.rights if exchange.credential is not None else frozenset()
        text = self._pages[page].render(
            page=page,
            language=language,
            texts=texts,
            texts_for_scripts=json.dumps({key: texts[key] for key in sorted(_FOR_SCRIPTS)}),
            rights=_in_order(rights),
            hostname=hostname(),
            version=slave_agent.__version__,
            commit=(self._settings.commit or "?")[:12],
            is_tls=self._settings.tls,
            survives_reboot=self._settings.survives_reboot,
            who=exchange.credential.who if exchange.credential is not None else "",
        )
        headers = {"Content-Type": "text/html; charset=utf-8", **SECURITY_HEADERS}
        await exchange.send(Reply(200, headers, text.encode()))


def _in_order(rights: Iterable[Right]) -> list[str]:
    return [right.value for right in SHOWN_RIGHTS if right in rights]
