"""Settings: every problem at once, tokens with any character, the environment over the file."""

from pathlib import Path

import pytest

from d8.actions.advice import settings_warnings
from d8.errors import SettingsError
from d8.locale import translation
from d8.settings import SETTINGS, load_settings, read_settings

FILE = Path("/nowhere/.env")


def test_defaults_are_complete():
    settings = read_settings({}, FILE)
    assert (settings.slave_port, settings.tls, settings.attempts, settings.retry_delay_seconds) == (7600, True, 3, 10)


def test_every_problem_is_told_at_once():
    with pytest.raises(SettingsError) as caught:
        read_settings({"D8_SLAVE_PORT": "99999", "D8_TLS": "maybe", "D8_BUILD_ATTEMPTS": "0"}, FILE)
    assert all(name in str(caught.value) for name in ("D8_SLAVE_PORT", "D8_TLS", "D8_BUILD_ATTEMPTS"))


@pytest.mark.parametrize("number", ["0", "-1", "65536", "seven", "76 00", "٧٦٠٠", "7600.0"])
def test_a_port_is_a_number_in_range(number):
    with pytest.raises(SettingsError):
        read_settings({"D8_SLAVE_PORT": number}, FILE)


@pytest.mark.parametrize("token", ["changeme", "your-token-here", "short", "with\nnewline-and-more-text"])
def test_sample_short_and_unsendable_tokens_are_refused(token):
    with pytest.raises(SettingsError, match="SLAVE_AUTH_TOKEN"):
        read_settings({"SLAVE_AUTH_TOKEN": token}, FILE)


def test_a_token_inside_the_repository_url_is_refused_without_showing_it():
    with pytest.raises(SettingsError) as caught:
        read_settings({"D8_REPO_URL": "https://ghp_topsecret@example.org/d8.git"}, FILE)
    assert "GIT_TOKEN" in str(caught.value) and "topsecret" not in str(caught.value)


@pytest.mark.parametrize("token", ["a'b\"c$HOME %s !x \\ ñ€ =#end", "sixteen-chars-ok#"])
def test_a_token_with_any_character_comes_out_of_the_file_as_it_went_in(tmp_path, token):
    escaped = token.replace("\\", "\\\\").replace("'", "\\'")
    (tmp_path / ".env").write_text(f"SLAVE_AUTH_TOKEN='{escaped}'\n")
    assert load_settings({}, tmp_path / ".env").slave_auth_token == token


def test_the_environment_wins_over_the_file(tmp_path):
    (tmp_path / ".env").write_text("D8_SLAVE_PORT=7001\nD8_LANG=es\n")
    settings = load_settings({"D8_SLAVE_PORT": "7002"}, tmp_path / ".env")
    assert (settings.slave_port, settings.language) == (7002, "es")


def test_secrets_are_listed_for_masking():
    settings = read_settings({"GIT_TOKEN": "ghp_1234567", "SLAVE_AUTH_TOKEN": "x" * 20}, FILE)
    assert set(settings.secrets) == {"ghp_1234567", "x" * 20}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("D8_SLAVE_BIND", "not an address!"),
        ("D8_SLAVE_BIND", "pi.local"),
        ("D8_MASTER_ADDRESS", "a b;c"),
        ("D8_MASTER_ADDRESS", "192.168.4.2:7600"),
        ("D8_MASTER_ADDRESS", "999.1.1.1"),
    ],
)
def test_what_is_no_address_is_told_before_it_travels(variable, value):
    with pytest.raises(SettingsError, match=variable):
        read_settings({variable: value}, FILE)


@pytest.mark.parametrize("address", ["192.168.4.2", "fd00::5", "master.vpn.example", "pi"])
def test_addresses_and_names_of_the_master_pass(address):
    assert read_settings({"D8_MASTER_ADDRESS": address}, FILE).master_address == address


def test_problems_are_told_in_the_operators_language():
    with pytest.raises(SettingsError) as caught:
        read_settings({"D8_SLAVE_PORT": "99999", "D8_INSTALLER_DAYS": "0"}, FILE)
    told = caught.value.message.text(translation("es"))
    assert "debe ser un número de puerto" in told and "de 1 a 90" in told and "must" not in told


def test_a_git_token_over_plain_http_is_warned_about():
    values = {"GIT_TOKEN": "ghp_1234567", "D8_REPO_URL": "http://git.example/d8.git"}
    [warning] = settings_warnings(read_settings(values, FILE))
    assert "GIT_TOKEN" in str(warning)
    assert settings_warnings(read_settings({**values, "D8_REPO_URL": "https://git.example/d8.git"}, FILE)) == []


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.variable)
def test_a_value_is_written_as_it_can_be_read(setting):
    for text in (
        setting.default,
        {"docker,venv,native": "venv,native", "auto": "never", "on": "off"}.get(setting.default),
    ):
        if text is not None:
            value = setting.parse(text)
            assert setting.parse(setting.write(value)) == value
    assert "<" not in setting.write(setting.parse(setting.default))
