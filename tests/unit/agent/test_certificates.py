from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from slave_agent.certificates import prove, server_context
from slave_agent.errors import CredentialsError
from tests.support.agent_process import write_private
from tests.support.pki import CertificateAuthority, Pair


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority()


def written(folder: Path, certificate: str, private_key: str) -> tuple[Path, Path]:
    return write_private(folder / "server.crt", certificate), write_private(folder / "server.key", private_key)


def test_the_fingerprint_is_what_a_client_sees(tmp_path: Path, authority: CertificateAuthority) -> None:
    pair = authority.issue()
    assert prove(server_context(*written(tmp_path, pair.certificate, pair.private_key)), authority.certificate) == (
        pair.fingerprint
    )


def test_a_key_of_another_certificate_is_refused(tmp_path: Path, authority: CertificateAuthority) -> None:
    with pytest.raises(CredentialsError):
        server_context(*written(tmp_path, authority.issue().certificate, authority.issue().private_key))


def test_a_certificate_of_another_authority_is_refused(tmp_path: Path, authority: CertificateAuthority) -> None:
    pair = authority.issue()
    context = server_context(*written(tmp_path, pair.certificate, pair.private_key))
    with pytest.raises(CredentialsError, match="would refuse"):
        prove(context, CertificateAuthority().certificate)


@pytest.mark.parametrize("days", [-400, 4000])
def test_a_wrong_clock_does_not_stop_an_enrolment(tmp_path: Path, authority: CertificateAuthority, days: int) -> None:
    pair: Pair = authority.issue(age=datetime.timedelta(days=days))
    context = server_context(*written(tmp_path, pair.certificate, pair.private_key))
    assert prove(context, authority.certificate) == pair.fingerprint


@pytest.mark.parametrize("text", ["", "nonsense", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"])
def test_nonsense_is_refused(tmp_path: Path, authority: CertificateAuthority, text: str) -> None:
    with pytest.raises(CredentialsError):
        server_context(*written(tmp_path, text, text))
    pair = authority.issue()
    with pytest.raises(CredentialsError):
        prove(server_context(*written(tmp_path, pair.certificate, pair.private_key)), text)
