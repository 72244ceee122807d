from __future__ import annotations

import datetime
import hashlib
import json
from pathlib import Path

import pytest

from d8.errors import D8Error
from d8.installers.generator import configuration, embeddable, render_shell_installer, write_installer
from d8.installers.texts import ENGLISH, SPANISH
from tests.support.installers import NAUGHTY_TOKENS, make_installer

NOW = datetime.datetime(2026, 3, 4, 5, 6, 7)  # noqa: DTZ001  a name for a file


def test_the_name_says_when_and_nothing_is_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "scripts" / "setup"
    names = [write_installer(make_installer(), folder, NOW).name for _ in range(3)]
    stem = "install_slave_20260304_050607"
    assert names == [f"{stem}.sh", f"{stem}_2.sh", f"{stem}_3.sh"]
    assert all((folder / name).stat().st_mode & 0o777 == 0o600 for name in names)


@pytest.mark.parametrize("token", NAUGHTY_TOKENS)
def test_of_the_token_only_its_digest_travels(token: str) -> None:
    installer = make_installer(token=token)
    assert token not in render_shell_installer(installer, "server")
    assert configuration(installer)["token_sha256"] == hashlib.sha256(token.encode()).hexdigest()


def test_the_configuration_has_what_the_server_reads() -> None:
    expires = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))
    document = configuration(make_installer(expires=expires, tls=False, bind="::", privilege="none"))
    assert document["expires"] == "2026-01-02T02:04:05Z"
    assert (document["tls"], document["bind"], document["privilege"]) == (False, "::", "none")
    assert document["commit"] is None
    assert json.loads(json.dumps(document)) == document


def test_without_tls_there_are_no_keys_but_a_warning() -> None:
    installer = make_installer(tls=False)
    text = render_shell_installer(installer, "server")
    assert "PRIVATE KEY" not in text and "no TLS" in text
    assert "PRIVATE KEY" in render_shell_installer(make_installer(), "server")


@pytest.mark.parametrize("text", ["x\n__D8_END__\ny", "a\0b"])
def test_what_would_break_out_of_the_script_is_refused(text: str) -> None:
    with pytest.raises(D8Error):
        embeddable("server", text)


def test_comments_stay_comments() -> None:
    text = render_shell_installer(make_installer(master_address="a\nrm -rf /", installer_id="x\ry"), "server")
    assert "\nrm -rf /" not in text.replace('"master": "a\\nrm', "")


def test_both_languages_say_the_same_things() -> None:
    assert set(SPANISH) == set(ENGLISH)
    for name, text in SPANISH.items():
        assert (text.count("%s"), text.count("{")) == (ENGLISH[name].count("%s"), ENGLISH[name].count("{")), name
