"""Commands survive whatever their words contain."""

import subprocess

import pytest

from d8.shell import command, own_words, script

WORDS = ["plain", "two words", "$HOME", "`id`", "it's", 'say "hi"', "a;b&&c|d", "*", "\\", "ñ€", "%s", "!x", "-n", ""]


@pytest.mark.parametrize("word", WORDS)
def test_every_word_reaches_the_program_as_it_is(word):
    line = command("printf", "%s", "--", word).line.replace(" -- ", " ")
    assert subprocess.run(line, shell=True, capture_output=True, text=True, check=True).stdout == word


@pytest.mark.parametrize("word", WORDS)
def test_quoting_holds_through_another_shell(word):
    line = command("printf", "[%s]", word).and_then(script("echo done")).as_root(("env", "--")).line
    shown = subprocess.run(line, shell=True, capture_output=True, text=True, check=True).stdout
    assert shown == f"[{word}]done\n"


def test_without_a_prefix_root_runs_the_command_itself():
    assert command("true").as_root(()).line == "true"


@pytest.mark.parametrize(
    ("words", "own"),
    [(["exec", "S", "--", "x", "--yes"], ["exec", "S"]), (["status", "--json"], ["status", "--json"]), ([], [])],
)
def test_what_stands_after_two_dashes_is_not_ours(words, own):
    assert own_words(words) == own
