"""What the routes work with, put together once by the composition root. No behaviour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from slave_agent.access_tokens import AccessTokens
from slave_agent.activation_client import ActivationClient
from slave_agent.audit import AuditLog
from slave_agent.bootstrap.jobs import JobStore
from slave_agent.bootstrap.throttle import GuessThrottle
from slave_agent.credentials import CredentialStore
from slave_agent.logs.hub import LogHub
from slave_agent.models import AgentSettings
from slave_agent.monitor.monitor import Monitor
from slave_agent.orchestrator.app_manager import AppManager
from slave_agent.privilege import Privilege
from slave_agent.sessions import Sessions
from slave_agent.systemd.systemctl import Systemctl
from slave_agent.webhook_store import WebhookStore


@dataclass(frozen=True)
class Services:
    """Everything a route may need. `stopping_for` tells those that wait for how many seconds the agent has been on its
    way out; 0.0 while it is not.
    """

    settings: AgentSettings
    credentials: CredentialStore
    activation: ActivationClient
    jobs: JobStore
    stopping_for: Callable[[], float]
    logs: LogHub
    access: AccessTokens
    audit: AuditLog
    privilege: Privilege
    systemctl: Systemctl
    apps: AppManager
    monitor: Monitor
    webhook: WebhookStore
    throttle: GuessThrottle
    sessions: Sessions
