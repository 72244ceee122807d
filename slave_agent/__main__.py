"""The agent's entry: `python -m slave_agent --settings FILE [--listen HOST:PORT] [--check]`. Puts the pieces
together.
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
import ssl
import sys
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from slave_agent.access_tokens import AccessTokens
from slave_agent.activation_client import ActivationClient
from slave_agent.app import create_asgi_app
from slave_agent.asgi import Gate
from slave_agent.audit import AuditLog
from slave_agent.bootstrap.jobs import JobStore, SupervisorLauncher, package_supervisor
from slave_agent.bootstrap.port_owner import describe_owner, find_port_owner
from slave_agent.bootstrap.throttle import GuessThrottle
from slave_agent.credentials import CredentialStore, context_of
from slave_agent.errors import AgentError
from slave_agent.host_rules import names_allowed
from slave_agent.listening import ListenAddress, bind, parse_listen_address
from slave_agent.logs.hub import LogHub
from slave_agent.logs.journal_reader import JournalReader
from slave_agent.models import AgentSettings, Credential
from slave_agent.monitor.host_facts import hostname
from slave_agent.monitor.monitor import build_monitor
from slave_agent.monitor.presence import AppProcesses
from slave_agent.monitor.reconcile import reconcile
from slave_agent.orchestrator.app_manager import AppManager
from slave_agent.orchestrator.app_store import AppStore
from slave_agent.orchestrator.assembly import build_apps
from slave_agent.privilege import Privilege
from slave_agent.privilege_choice import log_what_is_missing, privilege_for
from slave_agent.process_runner import run, start_reading
from slave_agent.server import AgentServer
from slave_agent.services import Services
from slave_agent.sessions import Sessions, session_cookie
from slave_agent.settings import load_settings
from slave_agent.states import AppPhase, Scope
from slave_agent.systemd.service_config import ServiceConfig
from slave_agent.systemd.systemctl import Systemctl
from slave_agent.systemd_link import SystemdLink, take_systemd_link
from slave_agent.webhook_store import WebhookStore

_log = logging.getLogger("slave_agent")
_PRIVATE_UMASK = 0o077
PATIENCE_WHEN_STOPPING_SECONDS = 2.0  # an operation on an app that is nearly done gets its answer


class ServedCertificate:
    """Which TLS context the next connection gets. Replaced as a whole, so that no connection sees half of a change."""

    def __init__(self, credential: Credential) -> None:
        self.context: ssl.SSLContext | None = None
        self.show(credential)

    def show(self, credential: Credential) -> None:
        """Given a credential, present its certificate from now on. Raises CredentialsError, and then nothing has
        changed.
        """
        self.context = context_of(credential)


def main(arguments: Sequence[str] | None = None) -> int:
    """Given the command line, serve until SIGTERM. Return the exit code: 0, or 1 with the reason on stderr."""
    options = _parser().parse_args(arguments)
    os.umask(_PRIVATE_UMASK)
    try:
        settings = load_settings(options.settings)
        credentials = CredentialStore(settings.state_dir, needs_certificates=settings.tls)
        credentials.load()
        if options.check:
            print(f"{options.settings} and {credentials.path} can be used")
            return 0
        listen = parse_listen_address(options.listen) if options.listen else None
        serve(settings, credentials, listen)
    except AgentError as error:
        print(f"slave_agent: {error}", file=sys.stderr)
        return 1
    return 0


def serve(settings: AgentSettings, credentials: CredentialStore, listen: ListenAddress | None) -> None:
    """Given checked settings and credentials, serve until SIGTERM. `listen` overrides both settings and systemd's
    socket.
    """
    _log_to_stderr()
    access, audit = _access_tokens(settings), AuditLog(settings.state_dir)
    webhook = WebhookStore(settings.state_dir)
    if (problem := webhook.load()) is not None:
        _log.error("the webhook stays off: %s", problem)
    link = take_systemd_link(os.environ, os.getpid())
    sockets = _listening_sockets(settings, link, listen)
    certificate = ServedCertificate(credentials.credentials.newest) if settings.tls else None
    if certificate is not None:
        credentials.on_new_certificate = certificate.show
    privilege = privilege_for(settings, run)
    systemctl = Systemctl(run, is_user=settings.scope is not Scope.SYSTEM)
    processes = AppProcesses(privilege.scan)
    apps = build_apps(
        settings.state_dir / "apps",
        privilege,
        systemctl,
        run,
        is_stopping=lambda: server.stopping_for > PATIENCE_WHEN_STOPPING_SECONDS,
        look_at_processes=processes.use,
        judge=reconcile,
    )
    services = Services(
        settings=settings,
        credentials=credentials,
        activation=ActivationClient(settings, run),
        jobs=_job_store(settings),
        stopping_for=lambda: server.stopping_for,
        logs=_log_hub(settings),
        access=access,
        audit=audit,
        privilege=privilege,
        systemctl=systemctl,
        apps=apps,
        monitor=build_monitor(
            settings.state_dir,
            partial(_settled_apps, AppStore(settings.state_dir / "apps")),
            systemctl.show,
            processes,
            settings.watch_seconds,
            partial(_settle, apps),
            apps.lost.candidates,
        ),
        webhook=webhook,
        throttle=GuessThrottle(),
        sessions=Sessions(session_cookie(settings.slave_id, settings.tls)),
    )
    gate = Gate(
        host_names=names_allowed(hostname(), settings.allowed_hosts),
        accepted=lambda: credentials.credentials.accepted + access.accepted,
        throttle=services.throttle,
        sessions=services.sessions,
        record=audit.record,
    )
    server = AgentServer(
        create_asgi_app(services, gate), lambda: certificate.context if certificate else None, link, audit.close
    )
    where = ", ".join(str(ListenAddress(*one.getsockname()[:2])) for one in sockets)
    _log.info("agent %s, commit %s, listening on %s", settings.slave_id, settings.commit or "unknown", where)
    if listen is None:  # an agent that is tried beside the running one leaves the apps alone
        services.apps.recovery.start()
        threading.Thread(target=partial(_look_at_first, privilege, services.apps), daemon=True).start()
        services.monitor.watcher.start()
    server.run(sockets=sockets)


def _access_tokens(settings: AgentSettings) -> AccessTokens:
    """A file that can't be used lets in nobody but the master, who can mend it; the agent serves all the same."""
    access = AccessTokens(settings.state_dir)
    try:
        access.load()
    except AgentError as error:
        _log.error("granted tokens are refused: %s", error)
    return access


def _listening_sockets(settings: AgentSettings, link: SystemdLink, listen: ListenAddress | None) -> list[socket.socket]:
    passed = link.sockets() if listen is None else []
    if passed:
        return passed
    address = listen or ListenAddress(settings.bind, settings.port)
    return [bind(address, time.monotonic, time.sleep, partial(_port_owner, settings.language))]


def _port_owner(language: str, port: int) -> str:
    return describe_owner(find_port_owner(port), port, language)


def _job_store(settings: AgentSettings) -> JobStore:
    """The agent's jobs are its own children, as its own user: inside its sandbox there is nothing to gain by sudo."""
    supervisor = package_supervisor(sys.executable, Path(__file__).resolve().parent.parent)
    launcher = SupervisorLauncher(supervisor, may_use_privilege=False)
    store = JobStore(settings.state_dir / "jobs", launcher, settings.state_dir / "work")
    store.recover()
    return store


def _log_hub(settings: AgentSettings) -> LogHub:
    apps = AppStore(settings.state_dir / "apps")

    def begin_of(name: str) -> str | None:
        record = apps.find(name)
        return record.log_after if record is not None else None

    return LogHub(
        JournalReader(start_reading),
        settings.scope is not Scope.SYSTEM,
        lambda name: apps.find(name) is not None,
        begin_of,
    )


def _look_at_first(privilege: Privilege, apps: AppManager) -> None:
    apps.lost.ask()
    log_what_is_missing(privilege.permissions())


def _settle(apps: AppManager) -> None:
    """Before each look at the apps: what was left half-done, and what is there but not written down."""
    apps.recovery.start()
    apps.lost.ask()


def _settled_apps(apps: AppStore) -> list[ServiceConfig]:
    """The apps to watch: not those that are being registered, changed or removed."""
    return [record.config for record in apps.all() if record.phase is AppPhase.REGISTERED]


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m slave_agent", description="The D8 agent of this machine.")
    parser.add_argument("--settings", type=Path, required=True, metavar="FILE", help="agent.json")
    parser.add_argument(
        "--listen", metavar="HOST:PORT", help="listen here instead of where the settings or systemd say"
    )
    parser.add_argument("--check", action="store_true", help="only check settings and credentials: exit code 0 or 1")
    return parser


if __name__ == "__main__":
    sys.exit(main())
