"""Reads .po files and compiles them to .mo, so that no tool has to be installed for it. Pure."""

from __future__ import annotations

import ast
import struct
from collections.abc import Mapping

MAGIC = 0x950412DE
HEADER = "Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n"


def parse(text: str) -> dict[str, str]:
    """Given the text of a .po file (no plurals, no contexts), return English → translation, the header left out."""
    entries: dict[str, str] = {}
    fields = {"msgid": "", "msgstr": ""}
    current = ""
    for line in [*text.splitlines(), ""]:
        word, _, rest = line.partition(" ")
        if word == "msgid" or not line.strip():
            if fields["msgid"]:
                entries[fields["msgid"]] = fields["msgstr"]
            fields = {"msgid": "", "msgstr": ""}
        if word in fields:
            current = word
            fields[current] = ast.literal_eval(rest)
        elif line.startswith('"'):
            fields[current] += ast.literal_eval(line)
    return entries


def render(entries: Mapping[str, str], title: str) -> str:
    """Given translations and a title, return a .po file with the entries in order of their English text."""
    lines = [f"# {title}", 'msgid ""', 'msgstr ""', *(f"{_quoted(line)}" for line in HEADER.splitlines(True)), ""]
    for english in sorted(entries):
        lines += [f"msgid {_quoted(english)}", f"msgstr {_quoted(entries[english])}", ""]
    return "\n".join(lines)


def compiled(entries: Mapping[str, str]) -> bytes:
    """Given translations, return the .mo file; untranslated entries are left out."""
    pairs = sorted((key.encode(), value.encode()) for key, value in {"": HEADER, **entries}.items() if value)
    keys = b"".join(key + b"\0" for key, _ in pairs)
    values = b"".join(value + b"\0" for _, value in pairs)
    table_start = 7 * 4
    texts_start = table_start + len(pairs) * 16
    key_table, value_table = [], []
    key_offset, value_offset = texts_start, texts_start + len(keys)
    for key, value in pairs:
        key_table += [len(key), key_offset]
        value_table += [len(value), value_offset]
        key_offset += len(key) + 1
        value_offset += len(value) + 1
    header = struct.pack("<7I", MAGIC, 0, len(pairs), table_start, table_start + len(pairs) * 8, 0, texts_start)
    return header + struct.pack(f"<{4 * len(pairs)}I", *key_table, *value_table) + keys + values


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
