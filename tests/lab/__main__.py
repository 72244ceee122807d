"""The lab for people: `python3 -m tests.lab up 3`, then `list`, `exec`, `cut`, `heal`, `reboot`, `down`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.lab import availability, images, machine_facts, nspawn, profiles, signals
from tests.lab.errors import LabError
from tests.lab.host import Host
from tests.lab.lab import Lab, all_labs, say_on_stderr
from tests.lab.places import Places
from tests.lab.profiles import HostOptions, Profile


def build_parser() -> argparse.ArgumentParser:
    """Return the command's grammar."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.lab", description="Real Debian hosts on this machine.")
    parser.add_argument("--lab", type=int, metavar="N", help="which lab, where there are several (see `list`)")
    commands = parser.add_subparsers(dest="command", required=True)

    up = commands.add_parser("up", help="boot hosts, which stay until `down`")
    up.add_argument("count", type=int, nargs="?", default=1)
    up.add_argument("--profile", choices=[profile.value for profile in Profile], default="bare")
    up.add_argument("--new", action="store_true", help="in a lab of their own, not beside the hosts that are up")
    up.add_argument("--cron", action="store_true", help="with cron installed")
    up.add_argument("--linger", action="store_true", help="with polkit and user sessions, so that lingering is allowed")
    up.add_argument("--runtimes", action="store_true", help="with Node.js, npm and a venv with FastAPI, as in apps")
    up.add_argument("--package", action="append", default=[], metavar="NAME", help="with this Debian package too")
    up.add_argument("--password", help="the user's password")
    up.add_argument("--authorized-key", type=Path, metavar="FILE", help="a public key that may log in by ssh")

    lister = commands.add_parser("list", help="the labs and their hosts")
    lister.add_argument("--json", action="store_true")
    run = commands.add_parser("exec", help="run a command in a host, or open a shell there")
    run.add_argument("--user", help="as whom; the profile's user unless told otherwise")
    run.add_argument("name")
    run.add_argument("words", nargs="*", metavar="-- CMD")
    for command, text in (
        ("ip", "print a host's address"),
        ("cut", "cut a host off from everybody"),
        ("heal", "connect it again"),
        ("reboot", "reboot it and wait until it is up"),
        ("start", "boot one that is powered off"),
        ("power-off", "shut it down; its disk stays"),
    ):
        commands.add_parser(command, help=text).add_argument("name")
    down = commands.add_parser("down", help="take hosts away; without names, the whole lab")
    down.add_argument("names", nargs="*")
    down.add_argument("--all", action="store_true", help="every kept lab, and what dead ones left behind")
    commands.add_parser("images", help="build every profile's image now, so that later starts are quick")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code: 0 done, 1 it failed, 2 wrong usage, 130 interrupted."""
    options = build_parser().parse_args(arguments)
    places = Places.from_environment(os.environ)
    try:
        with signals.terminated_as_interrupt():
            return _dispatch(options, places)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return 130


def _dispatch(options: argparse.Namespace, places: Places) -> int:
    match options.command:
        case "up":
            return _up(options, places)
        case "list":
            return _list(options, places)
        case "images":
            return _images(places)
        case "down":
            return _down(options, places)
        case "exec":
            return _exec(options, _find(options.name, options.lab, places)[1])
    host = _find(options.name, options.lab, places)[1]
    match options.command:
        case "ip":
            print(host.address)
        case "cut":
            host.cut()
        case "heal":
            host.heal()
        case "reboot":
            host.reboot()
        case "start":
            host.start()
        case "power-off":
            host.power_off()
    return 0


def _up(options: argparse.Namespace, places: Places) -> int:
    kept = [] if options.new else _kept_labs(places, options.lab)
    if len(kept) > 1:
        raise LabError("several labs are up: say which with --lab N, or --new for one more")
    lab = kept[0] if kept else Lab.open(places)
    made: list[Host] = []
    try:
        for _ in range(options.count):
            made.append(
                lab.host(
                    options.profile,
                    cron=options.cron,
                    linger=options.linger,
                    runtimes=options.runtimes,
                    packages=tuple(options.package),
                    password=options.password,
                    authorized_key=options.authorized_key.read_text().strip() if options.authorized_key else None,
                )
            )
        lab.keep()
    except BaseException:
        for host in made:
            lab.remove(host)
        if not kept:
            lab.close()
        raise
    for host in made:
        print(f"{host.name}\t{host.address}\t{host.profile.value}\tuser {host.user}")
    print(f"lab {lab.number}: this machine is {lab.master_address} to them; end with `python3 -m tests.lab down`")
    return 0


def _list(options: argparse.Namespace, places: Places) -> int:
    rows = [
        {
            "lab": lab.number,
            "ends": _end_of(lab),
            "name": host.name,
            "address": host.address,
            "profile": host.profile.value,
            "user": host.user,
            "state": _state(host),
        }
        for lab in all_labs(places)
        if options.lab in (None, lab.number)
        for host in lab.hosts()
    ]
    if options.json:
        print(json.dumps(rows, indent=1))
        return 0
    for row in rows:
        print("\t".join(str(value) for value in row.values()))
    if not rows:
        print("no hosts: `python3 -m tests.lab up` makes one")
    return 0


def _end_of(lab: Lab) -> str:
    """Return what ends the lab: only `down` may be used on one, the other belongs to a test run."""
    if lab.is_stale or lab.record is None:
        return "stale"
    return "with down" if lab.record.is_kept else f"with process {lab.record.owner_pid}"


def _state(host: Host) -> str:
    if not host.is_running:
        return "off"
    return "cut off" if host.is_cut else "running"


def _exec(options: argparse.Namespace, host: Host) -> int:
    """Become the command, with this terminal; without one, become a login shell."""
    user = options.user or host.user
    words: list[str] = options.words or ["exec bash --login"]
    command: nspawn.Command = words if len(words) > 1 else words[0]  # one word is a shell line, as ssh has it
    sys.stdout.flush()
    argv = host.command_line(command, user)
    terminal = {"TERM": os.environ["TERM"]} if "TERM" in os.environ else {}
    os.execvpe(argv[0], argv, nspawn.environment_for(user, terminal))


def _down(options: argparse.Namespace, places: Places) -> int:
    if options.names:
        for name in options.names:
            lab, host = _find(name, options.lab, places)
            lab.remove(host)
        return 0
    if options.all:
        labs = [lab for lab in all_labs(places) if lab.is_stale or lab.record is None or lab.record.is_kept]
    else:
        labs = _kept_labs(places, options.lab)
        if len(labs) > 1:
            raise LabError("several labs are up: say which with --lab N, or --all")
        labs += [lab for lab in all_labs(places) if lab.is_stale]
    for lab in labs:
        lab.close()
        print(f"lab {lab.number} is gone")
    return 0


def _images(places: Places) -> int:
    availability.prepare_machine()
    facts = machine_facts.gather()
    for profile in Profile:
        images.ensure(profiles.image_for(profile, HostOptions(), facts), places.cache, say_on_stderr)
    images.ensure(profiles.image_for(Profile.NO_SUDO, HostOptions(cron=True), facts), places.cache, say_on_stderr)
    images.ensure(profiles.image_for(Profile.NO_SUDO, HostOptions(linger=True), facts), places.cache, say_on_stderr)
    print("\n".join(images.in_cache(places.cache)))
    return 0


def _kept_labs(places: Places, number: int | None) -> list[Lab]:
    labs = [lab for lab in all_labs(places) if number is None or lab.number == number]
    return [lab for lab in labs if lab.record is not None and lab.record.is_kept and not lab.is_stale]


def _find(name: str, number: int | None, places: Places) -> tuple[Lab, Host]:
    labs = [lab for lab in all_labs(places) if number is None or lab.number == number]
    found = [(lab, host) for lab in labs for host in lab.hosts() if host.name == name]
    if not found:
        raise LabError(f"no host is named {name!r}: see `python3 -m tests.lab list`")
    if len(found) > 1:
        raise LabError(f"{name!r} is in labs {', '.join(str(lab.number) for lab, _ in found)}: say which with --lab N")
    return found[0]


if __name__ == "__main__":
    sys.exit(main())
