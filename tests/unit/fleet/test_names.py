"""Addresses as people type them, and the names that follow from them."""

import pytest

from d8.errors import UsageError
from d8.fleet.names import Address, parse_address, slave_id_for


@pytest.mark.parametrize(
    ("text", "address", "slave_id"),
    [
        ("192.168.4.25", Address("192.168.4.25"), "slave-192-168-4-25"),
        (" 192.168.4.25 ", Address("192.168.4.25"), "slave-192-168-4-25"),
        ("192.168.4.25:7601", Address("192.168.4.25", 7601), "slave-192-168-4-25-7601"),
        ("Pi.Local", Address("pi.local"), "slave-pi-local"),
        ("pi_4.local.", Address("pi_4.local"), "slave-pi-4-local"),
        ("fd00::5", Address("fd00::5"), "slave-v6-fd00--5"),
        ("[fd00::5]:7600", Address("fd00::5"), "slave-v6-fd00--5"),
        ("FD00:0:0:0:0:0:0:5", Address("fd00::5"), "slave-v6-fd00--5"),
        ("::ffff:192.168.4.25", Address("192.168.4.25"), "slave-192-168-4-25"),
        ("[::ffff:c0a8:419]:7601", Address("192.168.4.25", 7601), "slave-192-168-4-25-7601"),
        ("[::1]:8000", Address("::1", 8000), "slave-v6---1-8000"),
    ],
)
def test_addresses_are_read_and_named(text, address, slave_id):
    assert parse_address(text) == address
    assert slave_id_for(address) == slave_id


NO_ADDRESSES = (
    "",
    "a b",
    "x" * 300,
    "999.1.1.1",
    "1.2.3",
    "host:99999",
    "host:0",
    "../etc",
    "http://1.2.3.4",
    "-oProxy=x",
    "a;b",
    "a..b",
    "pi.local/../x",
    "192.168.4.25:",
    "[fd00::5",
)


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_what_is_no_address_is_refused_with_an_example(text):
    with pytest.raises(UsageError) as caught:
        parse_address(text)
    assert caught.value.hint


def test_an_ipv6_address_stands_in_brackets_in_a_url():
    assert Address("fd00::5").url == "[fd00::5]:7600"
    assert Address("pi.local").url == "pi.local:7600"
