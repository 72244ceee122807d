"""The verbs of `d8-activate`: which there are, which end their caller, and how results and problems are printed."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slave_agent.activation import facts
from slave_agent.activation.adopt import adopt
from slave_agent.activation.charge import take_charge
from slave_agent.activation.commands import Commands
from slave_agent.activation.confirm import confirm
from slave_agent.activation.container_keeper import keep_container
from slave_agent.activation.context import Activation, open_activation, recorded_scope
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.giving_back import check_installers_server
from slave_agent.activation.incoming import accept_update
from slave_agent.activation.install import install
from slave_agent.activation.layout import SYSTEM_OPT, opt_folder
from slave_agent.activation.look import look_forever, look_once
from slave_agent.activation.persistence import choose_scope
from slave_agent.activation.prepare import parse_preparation, prepare
from slave_agent.activation.prove import prove
from slave_agent.activation.rescue import replace_rescue_token
from slave_agent.activation.retreat import return_to_bootstrap
from slave_agent.activation.rollback import roll_back
from slave_agent.activation.settings import InstallSettings, parse_install_settings
from slave_agent.activation.stage import stage
from slave_agent.activation.states import Scope
from slave_agent.activation.status import probe, releases, status
from slave_agent.activation.swap import hand_over, swap
from slave_agent.activation.uninstall import uninstall
from slave_agent.activation.update import work_on_update

VERBS = (
    *(
        "update",
        "prepare",
        "install",
        "stage",
        "handover",
        "swap",
        "prove",
        "take-charge",
        "confirm",
        "return-to-bootstrap",
        "rollback",
    ),
    *("guard", "adopt", "rescue", "uninstall", "status", "releases", "probe", "container"),
)
ENDS_ITS_CALLER = ("return-to-bootstrap", "rollback", "uninstall")
REPLY_SECONDS = 1.0


def main(home: Path, arguments: Sequence[str]) -> int:
    """Given the folder of d8-activate and its arguments, run one verb. Returns the exit code: 0, or 1 with an error."""
    options = _parser().parse_args(arguments)
    try:
        opt = opt_folder(home)
        _become_root(opt, home, arguments)
        os.umask(0o022)
        if options.verb == "container":
            return keep_container(open_activation(_scope_of(opt), opt).layout, home, options.listen)
        result = run_verb(opt, home, options)
    except ActivationError as problem:
        return _print({"error": problem.message, "hint": problem.hint}, 1)
    except OSError as problem:
        return _print({"error": f"{options.verb} failed: {problem}", "hint": "Look at rights and room on the disk."}, 1)
    return _print(result, 0)


def run_verb(opt: Path, home: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Run the verb on the installation below `opt`, by the code in `home`. Raises ActivationError."""
    if options.verb == "probe":
        return probe(Commands())
    if options.verb == "install":
        return _install(opt, sys.stdin.read())
    if options.verb == "prepare":
        return prepare(opt, parse_preparation(sys.stdin.read()), Commands())
    activation = open_activation(_scope_of(opt), opt)
    if options.verb == "take-charge":
        return take_charge(activation, home)
    if options.verb in ENDS_ITS_CALLER and not options.wait:
        return _detached(activation, options)
    return _call(activation, options)


def _call(activation: Activation, options: argparse.Namespace) -> dict[str, Any]:
    if options.verb == "guard":
        return look_forever(activation) if options.loop else look_once(activation, acts=not options.dry_run)
    if options.verb == "update":
        return work_on_update(activation) if options.wait else accept_update(activation, options.file or "")
    if options.verb == "rescue":
        return replace_rescue_token(activation, options.order or "")
    if options.verb == "prove":
        return prove(activation, sys.stdin.readline().strip() or None, options.stabilisation)
    if options.verb == "uninstall":
        time.sleep(options.after)
        return uninstall(activation, keep_bootstrap=options.keep_bootstrap)
    simple = {
        "stage": stage,
        "handover": hand_over,
        "swap": swap,
        "confirm": confirm,
        "return-to-bootstrap": return_to_bootstrap,
        "rollback": roll_back,
        "adopt": adopt,
        "status": status,
        "releases": releases,
    }
    time.sleep(options.after)
    return simple[options.verb](activation)


def _install(opt: Path, document: str) -> dict[str, Any]:
    settings: InstallSettings = parse_install_settings(document)
    scope = settings.scope or choose_scope(facts.gather_facts(Commands(), may_ask=True))
    if scope is Scope.SYSTEM and opt != SYSTEM_OPT:
        raise ActivationError(f"The system scope needs the release below {SYSTEM_OPT}.", "Unpack it there, as root.")
    if scope is not Scope.SYSTEM and opt == SYSTEM_OPT:
        raise ActivationError(f"The scope {scope.value} needs the release in the user's home.", "Unpack it there.")
    activation = open_activation(scope, opt)
    if scope is not Scope.USER:
        return install(activation, settings)
    user = facts.gather_facts(activation.runner, may_ask=False).user
    lingered = facts.lingers(user)
    if not facts.ask_to_linger(activation.runner, user):
        raise ActivationError(f"{user} may not linger: user units would die at logout.", "Use the scope cron or nohup.")
    result = install(activation, settings)
    if not lingered:
        activation.store.update(lingering_was_enabled=True)
    return result


def _detached(activation: Activation, options: argparse.Namespace) -> dict[str, Any]:
    """These verbs stop whoever asked for them, so they run apart, after the reply has gone out."""
    if options.keep_bootstrap:
        check_installers_server(activation)
    else:
        activation.store.load()
    words = ["--wait", f"--after={REPLY_SECONDS:g}", *(["--keep-bootstrap"] if options.keep_bootstrap else [])]
    activation.keeper.detach(options.verb, *words)
    return {"started": True, "verb": options.verb}


def _scope_of(opt: Path) -> Scope:
    scope = recorded_scope(opt)
    if scope is None:
        raise ActivationError("Nothing is installed here.", "Run install first.")
    return scope


def _become_root(opt: Path, home: Path, arguments: Sequence[str]) -> None:
    """The system scope is root's; a user with passwordless sudo need not know."""
    if opt == SYSTEM_OPT and os.geteuid() != 0:
        try:
            os.execvp("sudo", ["sudo", "-n", sys.executable, "-I", str(home / "d8-activate"), *arguments])  # noqa: S606
        except FileNotFoundError:
            raise ActivationError("This needs root, and there is no sudo.", "Run it as root.") from None


def _print(result: dict[str, Any], exit_code: int) -> int:
    print(json.dumps(result, ensure_ascii=False), flush=True)
    return exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="d8-activate", description="Makes a release the running agent, and takes it back."
    )
    parser.add_argument("verb", choices=VERBS)
    parser.add_argument("--wait", action="store_true", help="do it now and wait, also when it ends the caller")
    parser.add_argument("--after", type=float, default=0.0, metavar="SECONDS", help="wait before doing it")
    parser.add_argument("--file", metavar="NAME", help="update: the release in the agent's work folder")
    parser.add_argument("--order", metavar="TEXT", help="rescue: what the fleet has signed")
    parser.add_argument("--keep-bootstrap", action="store_true", help="uninstall: the installer's server answers again")
    parser.add_argument("--stabilisation", type=float, default=8.0, metavar="SECONDS", help="prove: stay up so long")
    parser.add_argument("--loop", action="store_true", help="guard: go on looking")
    parser.add_argument("--dry-run", action="store_true", help="guard: look and decide, and do nothing")
    parser.add_argument("--settings", help="container: the release has its own, this is for its keeper's likes")
    parser.add_argument("--listen", metavar="HOST:PORT", help="container: a trial on this address")
    return parser
