"""The agent's first credential: the one its bootstrap was reached with, until enrolment replaces it."""

from __future__ import annotations

from slave_agent.activation.bootstrap_copy import read_config
from slave_agent.activation.context import agent_certificates
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import Owner, acting_as, make_folder, write_file, write_json
from slave_agent.activation.layout import Layout
from slave_agent.activation.record import Record
from slave_agent.activation.settings import CredentialText, InstallSettings
from slave_agent.activation.states import CredentialKind


def write_agent_credentials(layout: Layout, settings: InstallSettings, record: Record, owner: Owner | None) -> None:
    """Give the agent the installer's credential; in a rebuild it keeps the one the master already knows.

    The rescue credential is never handed over: whoever took the agent must not become the bootstrap, which has root.
    """
    keeps_its_own = settings.bootstrap is None or record.bootstrap_credential is CredentialKind.RESCUE
    if settings.credential is None and keeps_its_own:
        if not layout.credentials.exists() or (settings.tls and not agent_certificates(layout)):
            raise ActivationError(
                "The agent's credentials are gone.", "Send `credential`, or uninstall and install anew."
            )
        return
    kind = CredentialKind.AGENT if settings.credential else CredentialKind.INSTALLER
    credential = settings.credential or _installer_credential(settings)
    with acting_as(owner):  # the folder is the agent's
        _write(layout, credential, kind, settings.slave_id)


def _write(layout: Layout, credential: CredentialText, kind: CredentialKind, slave_id: str) -> None:
    tls = layout.var / "tls"
    make_folder(tls, 0o700)
    paths: dict[str, str | None] = {"certificate": None, "private_key": None}
    for name, text, suffix in (
        ("certificate", credential.certificate, "crt"),
        ("private_key", credential.private_key, "key"),
    ):
        if text:
            path = tls / f"{kind.value}-{credential.token_sha256[:12]}.{suffix}"
            write_file(path, text, 0o600)
            paths[name] = str(path)
    current = {"token_sha256": credential.token_sha256, **paths, "kind": kind.value}
    write_json(layout.credentials, {"current": current, "pending": None, "slave_id": slave_id})


def _installer_credential(settings: InstallSettings) -> CredentialText:
    if settings.bootstrap is None:
        raise ActivationError("There is no bootstrap whose credential the agent could have.", "Send `credential`.")
    source = settings.bootstrap.config
    values = read_config(source)
    texts = []
    for name in ("certificate", "private_key"):
        path = values.get(name) if settings.tls else None
        texts.append((source.parent / path).read_text(encoding="ascii") if path else None)
    return CredentialText(str(values["token_sha256"]), texts[0], texts[1])
