"""The parts of the lab that only decide: no host, no root, no network."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.lab import ledger, machine_facts, network, nspawn, procfs, procs, profiles, recipes, records
from tests.lab.__main__ import build_parser
from tests.lab.availability import Situation, reason_against
from tests.lab.errors import LabError
from tests.lab.ledger import Ledger, Trace, TraceKind
from tests.lab.machine_facts import AptSource, MachineFacts
from tests.lab.places import Places
from tests.lab.profiles import HostOptions, Profile

FACTS = MachineFacts("http://mirror.test/debian", "http://mirror.test/security", (("ca.crt", "PEM"),), ())
HOST = records.HostRecord(
    name="bare-1", profile=Profile.BARE, user="pi", lab_number=7, index=3, address="10.88.7.13", machine_id="f" * 32,
    layers=("/cache/top", "/cache/base"), work="/scratch/7/3",
)  # fmt: skip

# --- may the lab run ---

READY = Situation(is_root=True, has_apt=True, missing_tools=(), has_overlay=True, has_writable_cgroups=True)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, None),
        ({"missing_tools": ("debootstrap",)}, None),  # apt brings it
        ({"is_root": False}, "needs root"),
        ({"missing_tools": ("debootstrap",), "has_apt": False}, "needs debootstrap"),
        ({"has_overlay": False}, "overlayfs"),
        ({"has_writable_cgroups": False}, "control groups"),
    ],
)
def test_the_reason_says_what_is_missing(change: dict[str, object], says: str | None) -> None:
    reason = reason_against(dataclasses.replace(READY, **change))  # type: ignore[arg-type]
    assert reason is None if says is None else says in str(reason)


# --- what is written down ---

FOLDER = Trace(TraceKind.FOLDER, ("/scratch/7",))
RULE = Trace(TraceKind.RULE, ("filter", "INPUT", "-s", "10.88.7.13"), owner="3")


def test_a_ledger_lists_what_was_made_and_is_not_gone(tmp_path: Path) -> None:
    book = Ledger(tmp_path / "ledger")
    assert book.standing() == []
    book.will_make(FOLDER, RULE)
    book.will_make(RULE)
    assert book.standing() == [FOLDER, RULE]
    book.is_gone(RULE)
    assert book.standing() == [FOLDER]


@pytest.mark.parametrize("cut", range(1, 20))
def test_a_torn_last_line_counts_for_nothing(cut: int) -> None:
    text = ledger.encode("made", FOLDER) + ledger.encode("made", RULE)
    assert ledger.standing(text[:-cut]) in ([FOLDER], [FOLDER, RULE])
    assert ledger.standing(text[: -cut - 2]) == [FOLDER]


def test_a_host_record_survives_being_written() -> None:
    assert records.load_host(records.dump(HOST)) == HOST


@pytest.mark.parametrize(
    ("is_kept", "is_alive", "boot", "is_stale"),
    [
        (False, True, "this", False),
        (False, False, "this", True),
        (True, False, "this", False),
        (True, True, "earlier", True),
    ],
)
def test_a_lab_is_stale_when_nobody_needs_it(is_kept: bool, is_alive: bool, boot: str, is_stale: bool) -> None:
    record = records.LabRecord(number=7, owner_pid=1, owner_started=1, boot_id=boot, is_kept=is_kept)
    assert record.is_stale(is_alive, boot_id="this") is is_stale


@pytest.mark.parametrize("name", ["", "-a", "1a", "../x", "a b", "ä", "a" * 41, "a\n"])
def test_names_that_can_not_be_a_hosts(name: str) -> None:
    assert not records.is_valid_name(name)


# --- images ---


def test_a_changed_recipe_has_another_folder_and_so_have_all_that_stand_on_it() -> None:
    image = profiles.image_for(Profile.GIT, HostOptions(), FACTS)
    same = profiles.image_for(Profile.GIT, HostOptions(), FACTS)
    other_certificate = dataclasses.replace(FACTS, certificates=(("ca.crt", "another"),))
    changed = profiles.image_for(Profile.GIT, HostOptions(), other_certificate)
    assert image.folder_name == same.folder_name
    assert [layer.name for layer in recipes.lineage(image)] == [
        "bookworm-pi+git", "bookworm-pi", "bookworm-networked", "bookworm",
    ]  # fmt: skip
    pairs = zip(recipes.lineage(image), recipes.lineage(changed), strict=True)
    assert [a.stamp == b.stamp for a, b in pairs] == [False, False, False, True]


def test_options_become_packages() -> None:
    options = HostOptions(cron=True, linger=True, packages=("jq",))
    assert set(profiles.packages_for(Profile.NO_SUDO, options)) == {
        "jq", "cron", "libpam-systemd", "dbus-user-session", "polkitd",
    }  # fmt: skip
    assert "policykit-1" in profiles.packages_for(Profile.BULLSEYE, options)


def test_runtimes_for_apps_are_a_layer_on_top_of_any_profile() -> None:
    apps = recipes.lineage(profiles.image_for(Profile.APPS, HostOptions(), FACTS))
    assert [layer.name for layer in apps[:2]] == ["bookworm-pi+runtimes", "bookworm-pi"]
    docker = profiles.image_for(Profile.DOCKER, HostOptions(runtimes=True), FACTS)
    assert docker.parent == profiles.image_for(Profile.DOCKER, HostOptions(), FACTS)


def test_every_profile_has_a_kind() -> None:
    assert set(profiles.KINDS) == set(Profile)


def test_a_password_is_not_printed() -> None:
    assert "secret" not in repr(HostOptions(password="secret"))


ONE_LINE = "# deb http://no.test x main\ndeb [arch=amd64] http://a.test/debian bookworm main contrib\n"
STANZAS = """\
Types: deb deb-src
# a comment
URIs: http://b.test/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://b.test/debian-security
Suites: bookworm-security
Components: main
"""


def test_both_formats_of_apt_sources_are_read() -> None:
    assert machine_facts.parse_sources(ONE_LINE) == [
        AptSource("http://a.test/debian", ("bookworm",), ("main", "contrib"))
    ]
    assert machine_facts.parse_sources(STANZAS) == [
        AptSource("http://b.test/debian", ("bookworm", "bookworm-updates"), ("main",)),
        AptSource("http://b.test/debian-security", ("bookworm-security",), ("main",)),
    ]


def test_the_mirrors_are_those_of_debian_itself() -> None:
    others = [AptSource("http://vendor.test", ("bookworm",), ("cloud",))]
    sources = [*others, *machine_facts.parse_sources(STANZAS)]
    expected = ("http://b.test/debian", "http://b.test/debian-security")
    assert machine_facts.choose_mirrors(sources, "bookworm") == expected
    assert machine_facts.choose_mirrors(sources, "noble") == (None, None)


def test_a_stub_resolver_of_the_machine_is_not_given_to_hosts() -> None:
    assert machine_facts.choose_resolv_conf("nameserver 192.0.2.1\n", has_uplink=True) == "copy-host"
    assert machine_facts.choose_resolv_conf("nameserver 127.0.0.53\n", has_uplink=True) == "copy-uplink"


# --- network ---


def test_a_free_number_is_found_going_round() -> None:
    assert network.free_number([], first=5) == network.NUMBERS[5]
    assert network.free_number(range(1, 254), first=100) == 254
    with pytest.raises(LabError, match="no free"):
        network.free_number(network.NUMBERS, first=0)


def test_numbers_in_use_are_seen_in_routes_of_any_size() -> None:
    assert network.numbers_in(["default", "10.88.9.0/24", "192.0.2.0/24", "10.88.12.7"]) == {9, 12}
    assert network.numbers_in(["10.0.0.0/8"]) == set(network.NUMBERS)
    assert network.numbers_in(["0.0.0.0/32", "::1"]) == set()


def test_addresses_are_reused_as_late_as_possible() -> None:
    assert network.next_index({1, 2}, last=2) == 3
    assert network.next_index({3}, last=2) == 4
    assert network.next_index(set(), last=240) == 0
    with pytest.raises(LabError, match="in use"):
        network.next_index(set(range(241)), last=0)


def test_a_cut_covers_both_directions_of_every_path() -> None:
    rules = {rule[1:4] for rule in network.cut_rules(7, HOST.address)}
    assert rules == {
        ("INPUT", "-s", HOST.address), ("OUTPUT", "-d", HOST.address),
        ("FORWARD", "-s", HOST.address), ("FORWARD", "-d", HOST.address),
    }  # fmt: skip


def test_every_rule_says_whose_it_is() -> None:
    for rule in [*network.lab_rules(7), *network.cut_rules(7, HOST.address), *network.offline_rules(7, HOST.address)]:
        assert "d8-lab-7" in rule
        assert network.iptables("-D", rule)[:6] == ["iptables", "-w", "20", "-t", rule[0], "-D"]


FIB_TRIE = """\
Local:
     +-- 10.88.7.0/24 2 0 2
        |-- 10.88.7.0
           /32 link BROADCAST
        |-- 10.88.7.13
           /32 host LOCAL
"""


def test_an_address_counts_when_it_is_the_namespaces_own() -> None:
    assert network.address_is_up(FIB_TRIE, "10.88.7.13")
    assert not network.address_is_up(FIB_TRIE, "10.88.7.0")
    assert not network.address_is_up("", "10.88.7.13")


# --- command lines and processes ---


def test_an_interfaces_name_fits() -> None:
    longest = dataclasses.replace(HOST, lab_number=254, index=240)
    assert len(longest.interface) <= 15


def test_the_users_environment_is_named_to_su_without_its_values() -> None:
    command = nspawn.run_inside(42, ["echo", "a b"], "pi", {"TOKEN": "secret"})
    assert command[-6:] == ["--login", "--whitelist-environment", "TOKEN", "pi", "--command", "echo 'a b'"]
    assert "secret" not in " ".join(command)


def test_only_a_host_that_runs_containers_gets_the_rights_for_it() -> None:
    assert not any("capability" in word for word in nspawn.boot(HOST, "copy-host", runs_containers=False))
    assert "--capability=all" in nspawn.boot(HOST, "copy-host", runs_containers=True)


def test_a_host_knows_its_own_name() -> None:
    files = nspawn.identity_files(HOST, "127.0.0.1 localhost\n")
    assert files["/etc/hosts"] == "127.0.0.1 localhost\n127.0.1.1 bare-1\n"
    assert "Address=10.88.7.13/24\nGateway=10.88.7.1\n" in files["/etc/systemd/network/10-lab.network"]


STAT = "42 (a (b) c) S 7 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1 1 1"


def test_proc_is_read_whatever_a_process_calls_itself() -> None:
    assert procfs.parse_start_time(STAT) == 987654
    assert procfs.parse_parent(STAT) == 7
    assert procfs.parse_namespace_pids("Name:\tx\nNSpid:\t42\t1\n") == [42, 1]
    assert procfs.parse_mount_points(r"1 2 0:3 / /a\040b rw shared:1 - overlay d8 rw") == [("/a b", "overlay")]


def test_ps_does_not_list_itself() -> None:
    lines = ["  1     0 root  /sbin/init", " 20     1 pi    sleep 9", f" 21    20 root  {' '.join(procs.PS_COMMAND)}"]
    assert procs.parse_ps("\n".join(lines)) == [
        procs.HostProcess(1, 0, "root", "/sbin/init"),
        procs.HostProcess(20, 1, "pi", "sleep 9"),
    ]


def test_the_places_come_from_the_environment() -> None:
    assert Places.from_environment({"D8_LAB_CACHE": "/x"}).cache == Path("/x")
    assert Places.from_environment({}).cache == Path("/var/cache/d8-lab")


@pytest.mark.parametrize(
    "line",
    [
        "up 3 --profile bare",
        "ip bare-1",
        "list",
        "exec bare-1 -- ls -l",
        "cut x",
        "heal x",
        "reboot x",
        "down",
        "images",
    ],
)
def test_the_command_understands(line: str) -> None:
    assert build_parser().parse_args(line.split()).command == line.split()[0]
