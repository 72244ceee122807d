"""Finds rules of sudo that let somebody run systemctl as root without a password. Pure: texts in, paths out.

Whoever may run systemctl with words of his own is root: `link` and `edit` bring in any unit, and a pager opens a shell.
Only the fixed words of a harmless order (`systemctl restart x.service`) are no such rule. When in doubt, it is one.
`ALL` is not counted: it says by itself what it gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

SYSTEMCTL = ("/bin/systemctl", "/usr/bin/systemctl")
HARMLESS = frozenset(
    ["start", "stop", "restart", "reload", "try-restart", "reload-or-restart", "reset-failed", "is-active", "is-failed"]
)
FIXED_WORD = re.compile(r"[A-Za-z0-9@_.:][A-Za-z0-9@_.:\\-]*\Z")
NO_RULE = re.compile(r"(Defaults|User_Alias|Host_Alias|Runas_Alias|Cmnd_Alias|Cmd_Alias|[@#]include)", re.IGNORECASE)
COMMAND_ALIAS = re.compile(r"(?:Cmnd|Cmd)_Alias\s+(.*)", re.IGNORECASE)
USER_ALIAS = re.compile(r"User_Alias\s+(.*)", re.IGNORECASE)
NO_PASSWORDS_AT_ALL = re.compile(r"Defaults.*!\s*authenticate", re.IGNORECASE)
NEXT_HOST = re.compile(r"(?<!\\):\s*[^\s=:,()]+\s*=")
RUN_AS = re.compile(r"\s*\(([^)]*)\)\s*")
OPTION = re.compile(r"\s*(?:ROLE|TYPE|TIMEOUT|NOTBEFORE|NOTAFTER|CWD|CHROOT|PRIVS|LIMITPRIVS)\s*=\s*\S+\s*")
TAG = re.compile(r"\s*([A-Z_]+)\s*(?<!\\):\s*")
DIGEST = re.compile(r"\s*sha(?:224|256|384|512)\s*:\s*\S+\s+")
ORDINARY_USER = re.compile(r"(?!root\Z)[a-z_][a-z0-9_-]*\Z")


def files_with_free_systemctl(texts: Mapping[str, str]) -> list[str]:
    """Given sudo's files by path, return the paths of those with such a rule, sorted. Aliases hold across files."""
    lines = {path: list(rule_lines(text)) for path, text in texts.items()}
    everything = [line for those in lines.values() for line in those]
    aliases = _free_aliases(everything)
    asks_nobody = any(NO_PASSWORDS_AT_ALL.match(line) for line in everything)
    return sorted(
        path for path, those in lines.items() if any(_is_free_rule(one, aliases, asks_nobody) for one in those)
    )


def names_with_rules(texts: Mapping[str, str]) -> frozenset[str]:
    """Given sudo's files by path, return whom their rules are for: users, `%groups`, `#ids`, ALL, through aliases too.

    When in doubt, a name is among them.
    """
    lines = [line for text in texts.values() for line in rule_lines(text)]
    aliases: dict[str, list[str]] = {}
    for line in lines:
        for definition in match[1].split(":") if (match := USER_ALIAS.match(line)) else ():
            name, _, members = definition.partition("=")
            aliases.setdefault(name.strip(), []).extend(_names(members))
    found: set[str] = set()
    waiting = [
        name
        for line in lines
        if not NO_RULE.match(line) and "=" in line
        for name in _names(re.sub(r"\S*\s*\Z", "", line.partition("=")[0].rstrip()))
    ]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += aliases.get(name, [])
    return frozenset(found)


def _names(text: str) -> list[str]:
    return [name for name in re.split(r"[\s,]+", text.replace('"', "")) if name]


def rule_lines(text: str) -> Iterator[str]:
    """Yield the lines of a file: continued ones joined, comments gone, includes kept."""
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        without_comment = re.sub(r"(?<!\\)#(?![0-9]|include).*", "", line).strip()
        if without_comment:
            yield without_comment


def _is_free_rule(line: str, aliases: frozenset[str], asks_nobody: bool) -> bool:
    if NO_RULE.match(line) or not (parts := re.split(r"(?<!\\)=", line, maxsplit=1))[1:]:
        return False
    needs_password, is_root = not asks_nobody, True
    for piece in _split(NEXT_HOST.sub(",", parts[1]), ","):
        command = piece
        while match := RUN_AS.match(command) or OPTION.match(command) or TAG.match(command) or DIGEST.match(command):
            if match.re is RUN_AS:
                is_root = _gives_root(match[1])
            elif match.re is TAG and match[1] in ("PASSWD", "NOPASSWD"):
                needs_password = match[1] == "PASSWD"
            command = command[match.end() :]
        if is_root and not needs_password and _is_free(command, aliases):
            return True
    return False


def _gives_root(run_as: str) -> bool:
    users = [user.strip() for user in run_as.partition(":")[0].split(",") if user.strip()]
    return not users or not all(ORDINARY_USER.match(user) for user in users)


def _free_aliases(lines: Iterable[str]) -> frozenset[str]:
    """The names of command aliases that hold such a command, also through other aliases."""
    members: dict[str, list[str]] = {}
    for line in lines:
        for definition in _split(match[1], ":") if (match := COMMAND_ALIAS.match(line)) else ():
            name, _, commands = definition.partition("=")
            members.setdefault(name.strip(), []).extend(_split(commands, ","))
    free: frozenset[str] = frozenset()
    while (
        found := frozenset(name for name, those in members.items() if any(_is_free(c, free) for c in those))
    ) != free:
        free = found
    return free


def _is_free(command: str, aliases: frozenset[str]) -> bool:
    """Whether a command is systemctl with words that are the caller's choice, or that are not harmless."""
    command = DIGEST.sub("", command, count=1).strip()
    program, *words = command.split() or [""]
    if program in aliases:
        return True
    if not _is_systemctl(program):
        return False
    is_fixed = words[1:] and words[0] in HARMLESS and all(FIXED_WORD.match(word) for word in words)
    return not is_fixed


def _is_systemctl(program: str) -> bool:
    """Whether a path, a pattern, a folder (ends in a slash) or a regular expression of sudoers takes in systemctl."""
    if program.startswith("^"):
        return "systemctl" in program or "*" in program or "+" in program
    pattern = program + "*" if program.endswith("/") else program
    return any(fnmatchcase(path, pattern) for path in SYSTEMCTL)


def _split(text: str, sign: str) -> list[str]:
    """Split at a sign that is neither escaped nor in quotes nor in parentheses."""
    parts = re.findall(rf'(?:\\.|"[^"]*"|\([^)]*\)|[^\\"({sign}]|[\\"(])+', text)
    return [part.strip() for part in parts if part.strip()]
