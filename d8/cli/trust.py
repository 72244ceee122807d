"""The commands about trust: their words, and what each does with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import click

from d8.cli.options import common
from d8.cli.run import Run
from d8.errors import Cancelled, ExitCode, UsageError
from d8.models import Slave, TokenScope

if TYPE_CHECKING:
    from d8.menu.views.screen import Screen

SCOPES = tuple(scope.value for scope in TokenScope)
MOST_ENTRIES = 500


class TrustVerb(StrEnum):
    """What can be done with the trust in a slave."""

    SHOW = "show"
    ROTATE = "rotate"
    REVOKE = "revoke"
    GRANT = "grant"
    TOKENS = "tokens"


@dataclass(frozen=True)
class TrustOrder:
    """What was typed: slaves (none: all), what to do with them, and the name of a token where it needs one."""

    slaves: tuple[str, ...]
    verb: TrustVerb
    token_name: str | None = None


def trust_order(words: Sequence[str], means_all: bool) -> TrustOrder:
    """Given the words after `trust` and whether --all was there, return what they say. Raises UsageError. Pure."""
    index = next((i for i, word in enumerate(words) if word in list(TrustVerb) and (i or means_all)), None)
    if index is None:
        return TrustOrder(tuple(words), TrustVerb.SHOW)
    slaves, verb, rest = tuple(words[:index]), TrustVerb(words[index]), tuple(words[index + 1 :])
    takes_name = verb in (TrustVerb.GRANT, TrustVerb.REVOKE)
    if means_all and (slaves or verb not in (TrustVerb.SHOW, TrustVerb.ROTATE)):
        raise UsageError("--all goes with show and rotate, and with no slave's name", "trust --all rotate")
    if not means_all and len(slaves) > 1 and verb is not TrustVerb.SHOW:
        raise UsageError("{verb} takes one slave", "trust SLAVE {verb}", verb=verb.value)
    if len(rest) > (1 if takes_name else 0) or (verb is TrustVerb.GRANT and not rest):
        usage = {TrustVerb.GRANT: "trust SLAVE grant NAME --scope read", TrustVerb.REVOKE: "trust SLAVE revoke [NAME]"}
        raise UsageError(
            "{verb} was given too many or too few words",
            "{usage}",
            verb=verb.value,
            usage=usage.get(verb, f"trust SLAVE {verb}"),
        )
    return TrustOrder(slaves, verb, rest[0] if rest else None)


@click.command(
    help="Show how to call slaves with curl, or change who may (option 13): trust SLAVE show | rotate | tokens | "
    "grant NAME | revoke [NAME]. Without NAME, revoke ends every token, the master's included."
)
@click.argument("words", metavar="[SLAVE] [VERB] [NAME]", nargs=-1)
@click.option("--all", "means_all", is_flag=True, help="Every slave: trust --all rotate.")
@click.option("--scope", type=click.Choice(SCOPES), default="read", help="How far a granted token reaches; read.")
@click.option("--retry", "is_retry", is_flag=True, help="Try again what is owed to slaves.")
@common
@click.pass_obj
def trust(run: Run, words: tuple[str, ...], means_all: bool, scope: str, is_retry: bool) -> ExitCode:
    if is_retry:
        if words or means_all:
            raise UsageError("--retry goes alone", "trust --retry")
        return _retry(run)
    order = trust_order(words, means_all)
    if order.verb is TrustVerb.SHOW:
        return _show(run, order.slaves)
    if order.verb is TrustVerb.ROTATE:
        return _rotate(run, order.slaves)
    slave = run.workplace.registry.slave(order.slaves[0])
    if order.verb is TrustVerb.GRANT:
        return _grant(run, slave, str(order.token_name), TokenScope(scope))
    if order.verb is TrustVerb.TOKENS:
        return _tokens(run, slave)
    return _revoke(run, slave, order.token_name)


@click.command(help="Show who did what: on this master, or on a slave.")
@click.argument("name", metavar="[SLAVE]", required=False)
@click.option("--limit", type=click.IntRange(1, MOST_ENTRIES), default=50, help="How many entries; 50.")
@common
@click.pass_obj
def audit(run: Run, name: str | None, limit: int) -> ExitCode:
    from d8.actions.access import slave_audit
    from d8.menu.views.trust import draw_audit, draw_slave_audit

    registry = run.workplace.registry
    if name is None:
        deeds = registry.audit.newest(limit)
        run.answer({"entries": [deed.as_json() for deed in deeds]}, lambda screen: draw_audit(screen, deeds))
        return ExitCode.DONE
    slave = registry.slave(name)
    entries = slave_audit(run.workplace, slave, limit)
    run.answer({"slave_id": slave.slave_id, "entries": entries}, lambda screen: draw_slave_audit(screen, entries))
    return ExitCode.DONE


def _show(run: Run, names: tuple[str, ...]) -> ExitCode:
    from d8.actions.trust import show_trust
    from d8.menu.views.results import draw_trust
    from d8.menu.views.trust import draw_owed

    shown = show_trust(run.workplace, names)
    owed = run.workplace.registry.pending.all()
    document = shown.as_json() | {"pending": [one.as_json() for one in owed]}

    def draw(screen: Screen) -> None:
        draw_trust(screen, shown)
        draw_owed(screen, owed)

    run.answer(document, draw)
    return ExitCode.DONE


def _rotate(run: Run, names: tuple[str, ...]) -> ExitCode:
    from d8.actions.rotation import rotate_all
    from d8.menu.views.trust import draw_rotations

    registry = run.workplace.registry
    slaves = [registry.slave(name) for name in names] if names else registry.slaves()
    outcomes = rotate_all(run.workplace, slaves)
    run.answer({"rotations": [one.as_json() for one in outcomes]}, lambda screen: draw_rotations(screen, outcomes))
    failed = [one for one in outcomes if one.error is not None]
    if not failed:
        return ExitCode.DONE
    return failed[0].exit_code if len(failed) == len(outcomes) else ExitCode.PARTLY_DONE


def _grant(run: Run, slave: Slave, name: str, scope: TokenScope) -> ExitCode:
    from d8.actions.access import grant
    from d8.menu.views.trust import draw_granted

    made = grant(run.workplace, slave, name, scope)
    run.answer(made.as_json(), lambda screen: draw_granted(screen, made))
    return ExitCode.DONE


def _tokens(run: Run, slave: Slave) -> ExitCode:
    from d8.actions.access import granted
    from d8.menu.views.trust import draw_tokens

    found = granted(run.workplace, slave)
    run.answer({"slave_id": slave.slave_id, "tokens": found}, lambda screen: draw_tokens(screen, found))
    return ExitCode.DONE


def _revoke(run: Run, slave: Slave, token_name: str | None) -> ExitCode:
    from d8.actions.access import revoke_token
    from d8.actions.revocation import revocation_question, revoke
    from d8.menu.views.trust import draw_revocation, draw_token_revoked

    if token_name is not None:
        revoke_token(run.workplace, slave, token_name)
        document = {"slave_id": slave.slave_id, "name": token_name, "revoked": True}
        run.answer(document, lambda screen: draw_token_revoked(screen, slave, token_name))
        return ExitCode.DONE
    if not run.confirmed(revocation_question(slave)):
        raise Cancelled("Nothing was done.")
    done = revoke(run.workplace, slave)
    run.answer(done.as_json(), lambda screen: draw_revocation(screen, done))
    return ExitCode.DONE if done.is_done else ExitCode.PARTLY_DONE


def _retry(run: Run) -> ExitCode:
    from d8.actions.catch_up import catch_up
    from d8.menu.views.trust import draw_caught_up

    tried = catch_up(run.workplace)
    run.answer({"tried": [one.as_json() for one in tried]}, lambda screen: draw_caught_up(screen, tried))
    return ExitCode.DONE if all(one.is_settled for one in tried) else ExitCode.PARTLY_DONE
