"""What the options do: secrets stored before they travel, logs found by any of their names, a doctor with remedies."""

from __future__ import annotations

import json
import shlex
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from d8.actions import doctor, installer, master_address
from d8.actions.builds import find_build, list_builds
from d8.actions.checks import CheckState
from d8.actions.demo import demo_settings, slave_environment
from d8.actions.fan_out import fan_out
from d8.actions.leftovers import end_processes_of, processes_of
from d8.actions.trust import show_trust
from d8.actions.workplace import Workplace
from d8.errors import D8Error, UsageError
from d8.fleet.trust import AUTHORITY_DAYS, FleetAuthority
from d8.models import Credential, CredentialKind
from d8.processes import run
from tests.support.fakes import make_settings, make_slave, register

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Workplace]:
    made = Workplace(make_settings(tmp_path))
    yield made
    made.close()


class TestInstaller:
    def test_the_master_knows_the_credential_before_the_script_exists(
        self, workplace: Workplace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        known: list[Credential] = []

        def write(*_: object) -> Path:
            known.extend(workplace.registry.credentials(CredentialKind.INSTALLER))
            raise OSError("the disk is full")

        monkeypatch.setattr(installer, "write_installer", write)
        with pytest.raises(OSError, match="full"):
            installer.make_installer(workplace, NOW)
        assert len(known) == 1 and known[0].expires == NOW + timedelta(days=7)

    def test_each_one_has_a_token_of_its_own(self, workplace: Workplace) -> None:
        for _ in range(2):
            installer.make_installer(workplace, NOW)
        assert len({one.token for one in workplace.registry.credentials(CredentialKind.INSTALLER)}) == 2

    def test_a_fixed_token_is_used_and_warned_about(self, tmp_path: Path) -> None:
        fixed = Workplace(make_settings(tmp_path, SLAVE_AUTH_TOKEN="chosen-by-the-operator"))
        made = installer.make_installer(fixed, NOW)
        assert "SLAVE_AUTH_TOKEN" in str(made.warnings[0])
        assert fixed.registry.credentials(CredentialKind.INSTALLER)[0].token == "chosen-by-the-operator"
        fixed.close()

    def test_without_tls_there_is_no_pin_but_a_warning(self, tmp_path: Path) -> None:
        plain = Workplace(make_settings(tmp_path, D8_TLS="off"))
        made = installer.make_installer(plain, NOW)
        assert (made.fingerprint, made.pin) == (None, None) and made.warnings
        assert plain.registry.credentials(CredentialKind.INSTALLER)[0].fingerprint.startswith("plain:")
        plain.close()

    @pytest.mark.parametrize(
        ("platform", "suffixes"),
        [("linux", [".sh"]), ("windows", [".bat"]), ("all", [".bat", ".sh"])],
    )
    def test_what_is_written_for_which_platform(self, workplace: Workplace, platform: str, suffixes: list[str]) -> None:
        made = installer.make_installer(workplace, NOW, installer.Platform(platform))
        written = sorted(workplace.settings.installer_dir.iterdir())
        assert [path.suffix for path in written] == suffixes
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in written)
        assert {made.sh, made.bat} - {None} == set(written) and made.script in written
        assert any("WSL" in str(warning) for warning in made.warnings) == (made.bat is not None)


class TestTrust:
    def test_the_line_shows_no_token_and_its_file_is_private(self, workplace: Workplace) -> None:
        slave = make_slave()
        workplace.registry.save_slave(slave)
        agent = Credential(CredentialKind.AGENT, "f" * 64, "the-agents-token", slave.slave_id)
        workplace.registry.save_credential(agent, NOW)
        [line] = show_trust(workplace).lines
        assert "the-agents-token" not in line.command
        assert line.header_file.read_text() == "Authorization: Bearer the-agents-token\n"
        assert line.header_file.stat().st_mode & 0o777 == 0o600
        words = shlex.split(line.command)
        assert words[0] == "curl" and words[-1] == "https://192.168.4.25:7600/api/system"
        assert Path(words[words.index("--cacert") + 1]).is_file()

    def test_a_slave_whose_trust_was_ended_leaves_the_others_their_lines(self, workplace: Workplace) -> None:
        ended, other = make_slave(), make_slave(slave_id="slave-other", address="192.168.4.26")
        workplace.registry.save_slave(ended)
        register(workplace.registry, other)
        [one, another] = show_trust(workplace).as_json()["slaves"]
        assert (one["ended"], one["command"], one["header_file"]) == (True, None, None)
        assert "--uninstall" in one["hint"]
        assert another["command"].startswith("curl") and not another["ended"]


class TestBuilds:
    @pytest.fixture(autouse=True)
    def logs(self, tmp_path: Path) -> None:
        self.data = tmp_path
        (tmp_path / "build_logs").mkdir()
        self.write("build_slave-1_2026-01-01_100000", "slave-1")
        self.write("build_slave-2_2026-01-03_100000", "slave-2")
        self.write("build_slave-1_2026-01-02_100000_2", "slave-1")
        self.write("build_slave-1_2026-01-02_100000", "slave-1")
        (tmp_path / "build_logs" / "build_broken_2026-01-04_100000.json").write_text("{half")

    def write(self, stem: str, slave_id: str) -> None:
        document = {"slave_id": slave_id, "status": "success", "timestamp": "2026", "stem": stem}
        (self.data / "build_logs" / f"{stem}.json").write_text(json.dumps(document))

    def test_the_newest_comes_first_and_an_unreadable_one_is_left_out(self) -> None:
        assert [build.build_id for build in list_builds(self.data)] == [
            "build_slave-2_2026-01-03_100000",
            "build_slave-1_2026-01-02_100000_2",
            "build_slave-1_2026-01-02_100000",
            "build_slave-1_2026-01-01_100000",
        ]

    @pytest.mark.parametrize(
        ("name", "stem"),
        [
            ("build_slave-1_2026-01-01_100000", "build_slave-1_2026-01-01_100000"),
            ("slave-1_2026-01-01_100000", "build_slave-1_2026-01-01_100000"),
            ("slave-1", "build_slave-1_2026-01-02_100000_2"),
        ],
    )
    def test_a_build_is_found_by_its_id_or_its_slave(self, name: str, stem: str) -> None:
        assert find_build(self.data, name)["stem"] == stem

    def test_an_unknown_one_is_wrong_usage(self) -> None:
        with pytest.raises(UsageError):
            find_build(self.data, "../../etc/passwd")


class TestDoctor:
    def test_open_secrets_are_found_with_the_command_that_closes_them(self, tmp_path: Path) -> None:
        settings = make_settings(tmp_path)
        settings.data_dir.mkdir(mode=0o755)
        check = doctor.check_modes(settings)
        assert check.state is CheckState.FAILED and str(check.fix) == f"Close them: chmod go-rwx {settings.data_dir}"

    def test_settings_are_not_said_to_be_read_from_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        settings = make_settings(tmp_path)
        [check] = doctor.check_settings(settings)
        assert str(check.outcome) == f"the defaults: there is no {settings.env_file}"
        settings.env_file.write_text("")
        [check] = doctor.check_settings(settings)
        assert str(check.outcome) == f"read from {settings.env_file}"

    def test_their_command_is_quoted_for_the_shell(self, tmp_path: Path) -> None:
        (tmp_path / "my fleet").mkdir()
        settings = make_settings(tmp_path / "my fleet")
        settings.data_dir.mkdir(mode=0o755)
        words = shlex.split(str(doctor.check_modes(settings).fix).partition(": ")[2])
        assert words == ["chmod", "go-rwx", str(settings.data_dir)]

    def test_the_remedy_for_a_missing_data_folder_never_gives_away_its_parent(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("os.access", lambda *_: False)
        check = doctor.check_data_folder(Path("/no such place/d8"))
        assert check.state is CheckState.FAILED
        assert "sudo install -d -m 700 -o $USER '/no such place/d8'" in str(check.fix)

    def test_a_clock_behind_its_own_files_is_found(self) -> None:
        assert doctor.check_clock(NOW, NOW + timedelta(days=300)).state is CheckState.FAILED
        assert doctor.check_clock(NOW, NOW + timedelta(hours=1)).state is CheckState.OK
        assert doctor.check_clock(NOW, None).state is CheckState.OK

    @pytest.mark.parametrize(
        ("days", "state"), [(3650, CheckState.OK), (90, CheckState.WARNING), (-1, CheckState.FAILED)]
    )
    def test_the_end_of_the_authority_is_seen_coming(self, tmp_path: Path, days: int, state: CheckState) -> None:
        authority = FleetAuthority(tmp_path / "pki", NOW + timedelta(days=days - AUTHORITY_DAYS))
        assert doctor.check_authority(authority, NOW).state is CheckState.OK, "it is made with the first slave"
        assert authority.certificate
        assert doctor.check_authority(authority, NOW).state is state
        (tmp_path / "pki" / "d8-ca.key").unlink()
        assert doctor.check_authority(authority, NOW).state is CheckState.FAILED

    @pytest.mark.parametrize(
        ("missing", "state"),
        [(set(), CheckState.OK), ({"curl"}, CheckState.WARNING), ({"git", "curl"}, CheckState.FAILED)],
    )
    def test_missing_programs(self, missing: set[str], state: CheckState) -> None:
        assert doctor.check_programs(lambda name: None if name in missing else f"/usr/bin/{name}").state is state

    @pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "192.0.2.77"])
    def test_an_address_that_slaves_cant_use_is_a_warning(self, address: str) -> None:
        assert doctor.check_address(address).state is CheckState.WARNING

    def test_nothing_is_written(self, tmp_path: Path) -> None:
        doctor.examine(make_settings(tmp_path), NOW)
        assert list(tmp_path.iterdir()) == []


def test_the_masters_address_is_found_without_sending() -> None:
    found = master_address.detect()
    assert found is None or master_address.is_own(found)
    assert master_address.detect([]) is None
    assert master_address.master_address("vpn.example") == "vpn.example"


def test_no_address_at_all_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(master_address, "detect", lambda: None)
    with pytest.raises(D8Error) as told:
        master_address.master_address(None)
    assert "D8_MASTER_ADDRESS" in str(told.value.hint)


def test_fanning_out_keeps_the_order() -> None:
    assert fan_out(lambda number: number * 2, list(range(50)), at_once=8) == [number * 2 for number in range(50)]
    assert fan_out(lambda number: number, [], at_once=8) == []


def test_fanning_out_tells_the_workers_of_an_interrupt() -> None:
    stop, noticed = threading.Event(), []

    def work(number: int) -> None:
        if number == 0:
            raise KeyboardInterrupt
        noticed.append(stop.wait(30))

    with pytest.raises(KeyboardInterrupt):
        fan_out(work, list(range(40)), at_once=4, stop=stop)
    assert len(noticed) <= 4 and all(noticed)


class TestDemo:
    def test_its_settings_share_nothing_with_the_fleet(self, tmp_path: Path) -> None:
        own = make_settings(tmp_path, GIT_TOKEN="a-git-token", SLAVE_AUTH_TOKEN="a-fixed-token-of-mine", D8_TLS="off")
        made = demo_settings(own, tmp_path / "demo", 12345)
        assert made.secrets == () and made.tls and made.slave_bind == "127.0.0.1" and made.slave_port == 12345
        assert made.data_dir.is_relative_to(tmp_path / "demo") and made.installer_dir.is_relative_to(tmp_path / "demo")

    def test_its_slave_does_not_inherit_this_session(self) -> None:
        outside = {"PATH": "/bin", "XDG_RUNTIME_DIR": "/run/user/0", "GIT_TOKEN": "x", "D8_TLS": "off", "HOME": "/root"}
        assert slave_environment(outside, Path("/tmp/h")) == {
            "PATH": "/bin",
            "HOME": "/tmp/h",
            "TMPDIR": "/tmp/h",
            "TERM": "dumb",
        }

    def test_what_a_folder_started_is_found_and_ended(self, tmp_path: Path) -> None:
        folder = tmp_path / "demo-with-a-name-of-its-own"
        folder.mkdir()
        stubborn = folder / "stubborn.sh"
        stubborn.write_text("trap '' TERM\nwhile :; do sleep 0.1; done\n")
        run(["sh", "-c", f"setsid sh {stubborn} >/dev/null 2>&1 &"])
        run(["sh", "-c", f"D8_HOME={folder} setsid sleep 300 >/dev/null 2>&1 &"])
        deadline = time.monotonic() + 10
        while len(processes_of(folder)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert end_processes_of(folder) == []
