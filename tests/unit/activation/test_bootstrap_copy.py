"""The bootstrap's copy has the key pair with TLS and asks for none without; what builds filled is emptied."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slave_agent.activation.bootstrap_copy import adopt_rescue, clear_work, install_bootstrap
from slave_agent.activation.files import read_json
from slave_agent.activation.layout import Layout, layout_for
from slave_agent.activation.record import Record
from slave_agent.activation.settings import parse_install_settings
from slave_agent.activation.states import CredentialKind, Phase, Scope
from slave_agent.bootstrap.configuration import read_configuration
from tests.unit.activation.test_settings import PEM, document


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return layout_for(Scope.NOHUP, tmp_path / "d8" / "opt", tmp_path, 1000)


def installed(layout: Layout, home: Path, *, tls: bool, has_keys: bool) -> None:
    """What `install` does with the bootstrap that the install script has left in `home`."""
    home.mkdir()
    config: dict[str, Any] = {"token_sha256": "c" * 64, "tls": tls, "installer_id": "one"}
    config |= {"certificate": "server.crt", "private_key": "server.key"}  # the install script names them always
    (home / "config.json").write_text(json.dumps(config))
    (home / "slave_server.py").write_text("# the server")
    for name in ("server.crt", "server.key") if has_keys else ():
        (home / name).write_text(PEM)
    bootstrap = {"user": "pi", "config": f"{home}/config.json", "server": f"{home}/slave_server.py", "pid": 7}
    rescue = {"token_sha256": "b" * 64, "certificate": PEM if tls else None, "private_key": "key" if tls else None}
    text = document(scope="nohup", tls=tls, bootstrap=bootstrap, rescue=rescue)
    install_bootstrap(layout, parse_install_settings(text))


def record(home: Path | None) -> Record:
    folder = None if home is None else str(home)
    kind = CredentialKind.INSTALLER
    return Record(
        Phase.CONFIRMED, Scope.NOHUP, "a" * 40, "s", 7600, "::", True, 60, 0, "pi", kind, installer_folder=folder
    )


@pytest.mark.parametrize(("tls", "has_keys"), [(True, True), (False, False), (False, True)])
def test_the_bootstrap_can_be_started_from_its_copy_before_and_after_confirm(
    layout: Layout, tmp_path: Path, tls: bool, has_keys: bool
) -> None:
    installed(layout, tmp_path / "home", tls=tls, has_keys=has_keys)
    for token_sha256, folder in (("c" * 64, "keys-installer"), ("b" * 64, f"keys-rescue-{'b' * 12}")):
        found = read_configuration(layout.bootstrap_config)
        assert (found.token_sha256, found.tls) == (token_sha256, tls)
        assert ("certificate" in read_json(layout.bootstrap_config)) is tls
        if tls:
            assert found.certificate == layout.bootstrap_folder / folder / "server.crt"
            assert found.certificate.exists() and found.private_key.exists()
        adopt_rescue(layout, record(tmp_path / "home"))


@pytest.mark.parametrize("has_home", [True, False])
def test_what_builds_filled_is_emptied_where_they_ran(layout: Layout, tmp_path: Path, has_home: bool) -> None:
    home = tmp_path / "home"
    installed(layout, home, tls=True, has_keys=True)
    left = [folder / name / "1" for folder in (home, layout.bootstrap_folder) for name in ("work", "jobs")]
    for folder in left:
        folder.mkdir(parents=True)
        (folder / "stdout").write_text("a secret")
    clear_work(layout, record(home if has_home else None))
    assert [folder.exists() for folder in left] == [not has_home, not has_home, False, False]
    assert layout.bootstrap_config.exists() and (home / "slave_server.py").exists()
