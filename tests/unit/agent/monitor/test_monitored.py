"""What may be chosen to be watched, what it means, and that the choice stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slave_agent.monitor.monitored import Monitored, MonitoredStore, find_process, monitored_from
from tests.unit.agent.monitor.test_detection import process

SHOP = process("node", "/srv/shop/server.js", "--port", "3000", pid=1)
TILL = process("/usr/bin/python3", "-m", "till.main", pid=2, working_dir="/home/ana/caja", unit="caja.service")


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ("shop", SHOP),
        ("server", SHOP),
        ("server.js", SHOP),
        ("/srv/shop/server.js", SHOP),
        ("till.main", TILL),
        ("caja", TILL),
        ("sho", None),
        ("3000", SHOP),
        ("srv/sh", SHOP),
        ("nothing", None),
    ],
)
def test_what_a_choice_means(match: str, expected: object) -> None:
    assert find_process(Monitored("x", match, "x.service"), [SHOP, TILL]) is expected


def test_a_process_of_the_unit_is_meant_whatever_it_is_called() -> None:
    assert find_process(Monitored("x", "x", "caja.service"), [SHOP, TILL]) is TILL


def test_a_name_stands_for_all_three() -> None:
    chosen, problems = monitored_from(["shop", {"name": "till", "match": "till.main", "unit": "caja.service"}])
    assert not problems
    assert chosen == (Monitored("shop", "shop", "shop.service"), Monitored("till", "till.main", "caja.service"))


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        "shop",
        [1],
        [""],
        ["-H"],
        ["../x"],
        ["a b"],
        ["shop\n"],
        ["*"],
        ["shop", "shop"],
        [{"name": "x", "unit": "-H.service"}],
        [{"name": "x", "unit": "x.timer"}],
        [{"name": "x", "unit": "postgresql@.service"}],
        ["postgresql@"],
        [{"name": "x", "unit": "x.service\n"}],
        [{"name": "x", "match": "\x1b"}],
        [{"name": "x", "match": ""}],
        [{"name": "x", "other": 1}],
        [f"x{number}" for number in range(101)],
    ],
)
def test_refused(document: Any) -> None:
    assert monitored_from(document)[1]


def test_the_choice_stays(tmp_path: Path) -> None:
    store = MonitoredStore(tmp_path)
    assert store.chosen == ()
    chosen = monitored_from(["shop"])[0]
    store.choose(chosen)
    assert MonitoredStore(tmp_path).chosen == store.chosen == chosen
    (tmp_path / "monitored.json").write_text("not json")
    assert MonitoredStore(tmp_path).chosen == ()
