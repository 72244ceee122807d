"""The verbs on apps as root does them: the operations of slave_agent.systemd on the whole host, every look at it as the
app's own user.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Optional

from slave_agent.activation.commands import Commands, Finished
from slave_agent.privileged.as_user import call_as
from slave_agent.privileged.near_root import users_near_root
from slave_agent.systemd.accounts import Account, account_for, command_to_add, listed_users
from slave_agent.systemd.app_place import SYSTEM_USERS, system_place
from slave_agent.systemd.host_checks import host_problems, path_problems
from slave_agent.systemd.operations import AppOperations
from slave_agent.systemd.process_scan import scan
from slave_agent.systemd.service_config import FieldProblem, ServiceConfig
from slave_agent.systemd.states import UnitVerb
from slave_agent.systemd.systemctl import Systemctl

Answer = Mapping[str, Any]


def run(argv: Sequence[str], seconds: float) -> Finished:
    """Run a program to its end, without a shell."""
    return Commands().run(argv, timeout_seconds=seconds)


def operations() -> AppOperations:
    """The operations on the apps of the whole host."""
    return AppOperations(system_place(), Systemctl(run), host_check_as_user, path_check_as_user)


def host_check_as_user(config: ServiceConfig, account: Account) -> tuple[list[FieldProblem], Optional[str]]:
    """Look at the host as the app's user does."""

    def look() -> Answer:
        problems, interpreter = host_problems(config, account, run)
        return {"problems": [problem.as_json() for problem in problems], "interpreter": interpreter}

    seen = call_as(account, look)
    return _problems(seen["problems"]), _text(seen["interpreter"])


def path_check_as_user(config: ServiceConfig, account: Account) -> list[FieldProblem]:
    """Look, as the app's user, at who could have changed what will run."""
    return _problems(call_as(account, lambda: [one.as_json() for one in path_problems(config, account)]))


def check(document: Mapping[str, Any], keep_environment: bool = False) -> Answer:
    problems, interpreter = operations().check(document, keep_environment)
    return {"problems": [problem.as_json() for problem in problems], "interpreter": interpreter}


def install_unit(document: Mapping[str, Any], keep_environment: bool = False) -> Answer:
    return operations().install_unit(document, keep_environment)


def restore_unit(name: str) -> Answer:
    return {"restored": operations().restore_unit(name)}


def forget_previous(name: str) -> Answer:
    operations().forget_previous(name)
    return {}


def remove_unit(name: str) -> Answer:
    return {"removed": operations().remove_unit(name)}


def look(name: str) -> Answer:
    return operations().look(name)


def installed() -> Answer:
    return {"names": list(operations().installed())}


def act(verb: UnitVerb) -> Callable[[str], Answer]:
    """Return the helper's verb of that name. That systemctl failed is data."""

    def do(name: str) -> Answer:
        finished = operations().act(verb, name)
        return {"done": finished.exit_code == 0, "message": finished.stderr.strip()[-2000:]}

    return do


def users() -> Answer:
    """The users on root's list that apps may really run as, who of them is close to root, how another one gets in."""
    place = system_place()
    usable = [name for name in listed_users(SYSTEM_USERS) if account_for(place, name)[0] is not None]
    return {"users": usable, "near_root": users_near_root(usable), "command": command_to_add("USER")}


def scan_processes() -> Answer:
    return {"processes": scan()}


def _problems(values: Any) -> list[FieldProblem]:
    """What a child said that had no root any more: nothing of it is taken for granted."""
    return [FieldProblem(str(one["field"]), str(one["message"]), str(one["hint"])) for one in values]


def _text(value: Any) -> Optional[str]:
    return value if isinstance(value, str) else None
