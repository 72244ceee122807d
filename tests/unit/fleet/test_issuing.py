"""For which names a slave's certificate is: what the operator called it, and what it says that can harm nobody."""

import pytest

from d8.fleet.issuing import MOST_ADDRESSES, host_names
from d8.fleet.trust import FleetAuthority
from tests.support.fakes import make_slave

NEIGHBOUR = make_slave("10.0.0.9", hostname="shop.lan")


def names(hostname="pi", addresses=(), others=(NEIGHBOUR,), named="192.168.4.25"):
    return host_names(named, hostname, addresses, others)


@pytest.mark.parametrize("named", ["192.168.4.25", "8.8.8.8", "fd00::5", "node1.example.com", "10.0.0.9"])
def test_the_certificate_is_for_what_the_operator_named_and_the_slaves_own_name(named):
    assert names(named=named) == [named, "pi", "pi.local"]


@pytest.mark.parametrize(
    ("hostname", "label"),
    [("Raspberry-Pi", "raspberry-pi"), ("node1.example.com", "node1"), ("7", "7"), ("a" * 63, "a" * 63)],
)
def test_of_the_slaves_name_one_label_counts(hostname, label):
    assert names(hostname) == ["192.168.4.25", label, f"{label}.local"]


@pytest.mark.parametrize(
    "hostname",
    [
        "",
        "*",
        "*.example-bank.com",
        "-pi",
        "pi-",
        "pi_1",
        "pío",
        "ＰＩ",
        "a b",
        "pi\n",
        "a" * 64,
        ".com",
        "shop",
        "SHOP",
    ],
)
def test_a_name_that_is_none_or_another_slaves_is_left_out(hostname):
    assert names(hostname) == ["192.168.4.25"]


@pytest.mark.parametrize(
    "address", ["10.0.0.8", "172.17.0.1", "192.168.9.9", "100.101.0.1", "169.254.1.1", "fd00::6", "fe80::6"]
)
def test_an_inner_address_of_the_slave_is_taken(address):
    assert address in names(addresses=[address])


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "10.0.0.9", "127.0.0.2", "::1", "0.0.0.0", "224.0.0.1", "2001:4860:4860::8888", "::ffff:10.0.0.9",
     "fe80::1%eth0", "fd00:0::6", "10.0.0.0/8", "*.example-bank.com", "google.com", ""],
)  # fmt: skip
def test_an_address_of_the_internet_or_of_another_slave_is_left_out(address):
    assert names(addresses=[address]) == ["192.168.4.25", "pi", "pi.local"]


def test_endless_addresses_are_cut():
    assert len(names("", [f"10.1.{n // 256}.{n % 256}" for n in range(1000)])) == 1 + MOST_ADDRESSES


def test_a_slaves_name_that_no_certificate_can_hold_ends_nothing(tmp_path):
    assert FleetAuthority(tmp_path).issue("slave-1", names("рі")).certificate
