"""What all commands share: --json, --yes, and words after -- that belong to somebody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])


def common(function: Function) -> Function:
    """Given a command's function, give it --json and --yes, which the run has read already."""
    for name, help_text in (
        ("--yes", "Never ask; yes to every question."),
        ("--json", "Print one JSON document and nothing else."),
    ):
        function = click.option(name, is_flag=True, expose_value=False, help=help_text)(function)
    return function


class WithForeignWords(click.Command):
    """A command whose words after -- are kept apart, untouched: `ctx.meta['foreign']`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Split at the first -- and let click read what stands before it."""
        own, foreign = (args[: args.index("--")], args[args.index("--") + 1 :]) if "--" in args else (args, [])
        ctx.meta["foreign"] = foreign
        return super().parse_args(ctx, own)
