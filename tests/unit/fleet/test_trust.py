"""The fleet's certificates: what OpenSSL's strictest checks accept, and files nobody else reads."""

import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from d8.errors import D8Error
from d8.fleet.trust import FleetAuthority, fingerprint, new_token, public_key_pin, self_signed, token_hash


@pytest.fixture
def authority(tmp_path):
    return FleetAuthority(tmp_path / "pki")


def handshake(tmp_path, pair, authority, name):
    """Serve the key pair once on loopback; return the DER that a strictly verifying client saw."""
    (tmp_path / "server.pem").write_text(pair.certificate + pair.private_key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "server.pem")
    client = ssl.create_default_context(cadata=authority.certificate)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve():
            connection, _ = listener.accept()
            with connection:
                try:
                    server.wrap_socket(connection, server_side=True).close()
                except OSError:
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with (
                socket.create_connection(("127.0.0.1", port)) as raw,
                client.wrap_socket(raw, server_hostname=name) as tls,
            ):
                return tls.getpeercert(binary_form=True)
        finally:
            thread.join()


@pytest.mark.parametrize("name", ["192.168.4.25", "fd00::5", "pi.local"])
def test_a_slave_certificate_verifies_strictly_by_each_of_its_names(tmp_path, authority, name):
    pair = authority.issue("slave-1", ["192.168.4.25", "fd00::5", "pi.local"])
    assert fingerprint(handshake(tmp_path, pair, authority, name)) == fingerprint(pair.certificate)


def test_another_name_is_refused(tmp_path, authority):
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, authority.issue("slave-1", ["192.168.4.25"]), authority, "192.168.4.26")


def test_another_fleets_certificate_is_refused(tmp_path, authority):
    stranger = FleetAuthority(tmp_path / "other").issue("slave-1", ["pi.local"])
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, stranger, authority, "pi.local")


def test_certificates_begin_a_day_earlier_for_slow_clocks(authority):
    certificate = x509.load_pem_x509_certificate(authority.issue("s", ["a.b"]).certificate.encode())
    assert certificate.not_valid_before_utc < datetime.now(UTC) - timedelta(hours=23)


def test_the_authority_is_made_once_and_kept_private(tmp_path):
    first = FleetAuthority(tmp_path / "pki").certificate
    assert FleetAuthority(tmp_path / "pki").certificate == first
    assert (tmp_path / "pki").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "pki").iterdir()} == {0o600}


def test_without_its_key_the_authority_stays_as_it_is_and_says_so(tmp_path, authority):
    first = authority.certificate
    (tmp_path / "pki" / "d8-ca.key").rename(tmp_path / "key")
    assert authority.certificate == first
    with pytest.raises(D8Error, match="not its key"):
        authority.issue("s", ["a.b"])
    (tmp_path / "key").rename(tmp_path / "pki" / "d8-ca.key")
    assert authority.issue("s", ["a.b"]) and authority.certificate == first


def test_a_key_without_its_certificate_is_kept_and_gets_a_new_one(tmp_path, authority):
    """What a master killed at its first use leaves."""
    first = authority.certificate
    key = (tmp_path / "pki" / "d8-ca.key").read_text()
    (tmp_path / "pki" / "d8-ca.pem").unlink()
    handshake(tmp_path, authority.issue("s", ["a.b"]), authority, "a.b")
    assert (tmp_path / "pki" / "d8-ca.key").read_text() == key
    assert authority.certificate != first


def test_halves_of_two_authorities_sign_nothing(tmp_path, authority):
    other = FleetAuthority(tmp_path / "other")
    assert authority.certificate and other.certificate
    (tmp_path / "other" / "d8-ca.pem").replace(tmp_path / "pki" / "d8-ca.pem")
    with pytest.raises(D8Error, match="belong together"):
        authority.issue("s", ["a.b"])


def test_a_long_common_name_is_cut_to_what_a_certificate_holds(authority):
    assert authority.issue("s" * 100, ["a.b"]).certificate


def test_installer_pairs_differ_and_have_pins_for_curl():
    now = datetime.now(UTC)
    one, two = (self_signed("installer", now, timedelta(days=7)) for _ in range(2))
    assert fingerprint(one.certificate) != fingerprint(two.certificate)
    assert public_key_pin(one.certificate).startswith("sha256//")


def test_tokens_are_long_and_only_their_hash_goes_to_slaves():
    assert len(new_token()) >= 43 and new_token() != new_token()
    assert len(token_hash("ñ$ %")) == 64 and token_hash("ñ$ %") != token_hash("n$ %")


def test_many_builds_that_begin_on_an_empty_folder_share_one_authority(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _number: FleetAuthority(tmp_path / "pki").certificate, range(8)))
    assert len(made) == 1
