"""The lab's network: one bridge a lab, a fixed address a host, and the firewall rules that let in, let out and cut off.

The first half is pure (which words for which effect), the second half says them to the machine.
"""

from __future__ import annotations

import ipaddress
import itertools
import json
import socket
from collections.abc import Iterable

from tests.lab import machine
from tests.lab.errors import LabError

Rule = tuple[str, ...]  # table, chain, then the rest of an iptables rule

FIRST_HOST, LAST_HOST = 10, 250
NUMBERS = range(1, 255)


def subnet(number: int) -> str:
    """Given a lab's number, return its network."""
    return f"10.88.{number}.0/24"


def master_address(number: int) -> str:
    """Given a lab's number, return the machine's own address on the lab's bridge."""
    return f"10.88.{number}.1"


def host_address(number: int, index: int) -> str:
    """Given a lab's number and a host's index (0 and up), return the host's address."""
    return f"10.88.{number}.{FIRST_HOST + index}"


def bridge_name(number: int) -> str:
    """Given a lab's number, return the name of its bridge."""
    return f"d8lab{number}"


def next_index(used: set[int], last: int) -> int:
    """Given the indexes in use and the one given out last, return the next free one, going round.

    An address is reused as late as possible, so that nothing cached about a removed host is taken for a new one.
    """
    count = LAST_HOST - FIRST_HOST + 1
    for step in range(1, count + 1):
        index = (last + step) % count
        if index not in used:
            return index
    raise LabError(f"all {count} addresses of the lab are in use: remove some hosts")


def free_number(taken: Iterable[int], first: int) -> int:
    """Given the numbers that are taken, return a free one, looking from `first` on and going round."""
    taken = set(taken)
    for step in range(len(NUMBERS)):
        number = NUMBERS[(first + step) % len(NUMBERS)]
        if number not in taken:
            return number
    raise LabError("no free 10.88.N.0/24 network is left: run `python3 -m tests.lab down --all`")


def numbers_in(addresses: Iterable[str]) -> set[int]:
    """Given networks and addresses in use on the machine, return the lab numbers they overlap with."""
    taken: set[int] = set()
    for text in addresses:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:  # "default"
            continue
        if network.version == 4 and network.overlaps(ipaddress.ip_network("10.88.0.0/16")):
            taken.update(n for n in NUMBERS if network.overlaps(ipaddress.ip_network(subnet(n))))
    return taken


def lab_rules(number: int) -> list[Rule]:
    """Return the rules that let the lab's hosts talk to the machine, to each other and, translated, to the internet."""
    bridge, note = bridge_name(number), _note(number)
    return [
        ("nat", "POSTROUTING", "-s", subnet(number), "!", "-d", subnet(number), *note, "-j", "MASQUERADE"),
        ("filter", "FORWARD", "-i", bridge, *note, "-j", "ACCEPT"),
        ("filter", "FORWARD", "-o", bridge, *note, "-j", "ACCEPT"),
        ("filter", "INPUT", "-i", bridge, *note, "-j", "ACCEPT"),
    ]


def cut_rules(number: int, address: str) -> list[Rule]:
    """Return the rules that cut a host off from everybody, in both directions, without a word to either side."""
    note = _note(number)
    return [
        ("filter", "INPUT", "-s", address, *note, "-j", "DROP"),
        ("filter", "OUTPUT", "-d", address, *note, "-j", "DROP"),
        ("filter", "FORWARD", "-s", address, *note, "-j", "DROP"),
        ("filter", "FORWARD", "-d", address, *note, "-j", "DROP"),
    ]


def offline_rules(number: int, address: str) -> list[Rule]:
    """Return the rules that leave a host its own network and nothing beyond."""
    note = _note(number)
    return [
        ("filter", "FORWARD", "-s", address, "!", "-d", subnet(number), *note, "-j", "DROP"),
        ("filter", "FORWARD", "!", "-s", subnet(number), "-d", address, *note, "-j", "DROP"),
        ("filter", "INPUT", "-s", address, "!", "-d", master_address(number), *note, "-j", "DROP"),
    ]


def iptables(verb: str, rule: Rule) -> list[str]:
    """Given -I, -D or -C and a rule, return the command."""
    table, chain, *rest = rule
    return ["iptables", "-w", "20", "-t", table, verb, chain, *rest]


def _note(number: int) -> tuple[str, ...]:
    return ("-m", "comment", "--comment", f"d8-lab-{number}")


def address_is_up(fib_trie: str, address: str) -> bool:
    """Given the text of a namespace's /proc/PID/net/fib_trie, whether the address is its own."""
    lines = [line.strip() for line in fib_trie.splitlines()]
    return any(
        line == f"|-- {address}" and following.startswith("/32 host LOCAL")
        for line, following in itertools.pairwise(lines)
    )


# --- doing -----------------------------------------------------------------------------------------------------------


def numbers_on_machine() -> set[int]:
    """Return the lab numbers whose networks the machine already has an address in or a route to."""
    routes = json.loads(machine.run(["ip", "-json", "-4", "route", "show", "table", "all"]).stdout or "[]")
    links = json.loads(machine.run(["ip", "-json", "-4", "address"]).stdout or "[]")
    addresses = [str(info["local"]) for link in links for info in link.get("addr_info", []) if "local" in info]
    return numbers_in([str(route.get("dst", "")) for route in routes] + addresses)


def create_bridge(number: int) -> None:
    """Make the lab's bridge, up, with the machine's address on it."""
    bridge = bridge_name(number)
    machine.run(["ip", "link", "add", bridge, "type", "bridge"])
    machine.run(["ip", "address", "add", f"{master_address(number)}/24", "dev", bridge])
    machine.run(["ip", "link", "set", bridge, "up"])
    _filter_bridged_traffic(bridge)


def _filter_bridged_traffic(bridge: str) -> None:
    """Let the firewall see what one host says to another, so that `cut` cuts that too."""
    machine.load_kernel_module("br_netfilter")
    machine.run(["ip", "link", "set", bridge, "type", "bridge", "nf_call_iptables", "1"], check=False)


def delete_link(name: str) -> None:
    """Take a network interface away, if it is there."""
    if link_exists(name):
        outcome = machine.run(["ip", "link", "delete", name], check=False)
        if not outcome.is_success and link_exists(name):
            outcome.check()


def link_exists(name: str) -> bool:
    """Whether the machine has an interface of that name."""
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def add_rule(rule: Rule) -> None:
    """Put the rule first in its chain, unless it is there."""
    if not has_rule(rule):
        machine.run(iptables("-I", rule))


def delete_rule(rule: Rule) -> None:
    """Take the rule away, however often it is there."""
    while has_rule(rule):
        machine.run(iptables("-D", rule))


def has_rule(rule: Rule) -> bool:
    """Whether the rule is there."""
    return machine.run(iptables("-C", rule), check=False).is_success
