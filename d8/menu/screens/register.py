"""Option 4: asks for a new app field by field, installs it, and asks again for what the slave can't use."""

from __future__ import annotations

from typing import Any

from d8.actions.app_questions import QUESTIONS, Answers, Question, description_of, most_used
from d8.actions.apps import apps_and_permissions, register_app
from d8.app_errors import AppNotUp, UnusableApp
from d8.menu.conversation import Conversation
from d8.menu.picking import pick_slave
from d8.menu.prompts import Choice
from d8.menu.views.apps import at_work, draw_description, draw_permissions, draw_registered
from d8.menu.views.failures import draw_failure, draw_problem
from d8.messages import message

ENVIRONMENT = "environment"
TRY_AGAIN = 1


def run(conversation: Conversation) -> None:
    """Ask, show what was answered, register; what the slave finds wrong is asked again, next to what it says."""
    slave = pick_slave(conversation)
    if slave is None:
        return
    screen, workplace = conversation.screen, conversation.workplace
    found, permissions = apps_and_permissions(workplace, slave.slave_id)
    draw_permissions(screen, permissions)
    answers = Answers(users=most_used(found.apps))
    for question in QUESTIONS:
        if not question.is_optional:
            _ask(conversation, question, answers)
    _ask_for_variables(conversation, answers)
    if conversation.prompts.confirm(message("Set limits, restarts and arguments too?")):
        for question in QUESTIONS:
            if question.is_optional:
                _ask(conversation, question, answers)
    draw_description(screen, description_of(answers))
    if not conversation.prompts.confirm(message("Register it on {slave} and start it?", slave=slave.slave_id)):
        screen.say(message("Nothing was done."))
        return
    while True:
        try:
            document = description_of(answers)
            with screen.waiting(at_work(slave.slave_id, document["name"])):
                result = register_app(workplace, slave.slave_id, document)
            draw_registered(screen, result)
            return
        except UnusableApp as error:
            screen.error(error.message)
            _ask_again(conversation, error, answers)
        except AppNotUp as error:
            draw_failure(screen, error)
            _ask_what_to_change(conversation, answers)


def _ask(conversation: Conversation, question: Question, answers: Answers) -> None:
    """Put a question; its default is what was answered before."""
    typed = conversation.prompts.text(
        question.text, question.default(answers), lambda text: question.parse(text, answers)
    )
    answers.fields[question.field] = question.parse(typed, answers)
    answers.typed[question.field] = typed


def _ask_for_variables(conversation: Conversation, answers: Answers) -> None:
    """Names are shown, values are not: they are secrets."""
    while True:
        name = conversation.prompts.text(
            message("Name of a variable of its environment (empty: no more):"), "", answers.checked_variable
        )
        if not name:
            return
        answers.environment[name] = conversation.prompts.secret(message("Value of {name} (not shown):", name=name))


def _ask_again(conversation: Conversation, error: UnusableApp, answers: Answers) -> None:
    """Each problem stands above the question that it is about; what no question is about is only shown."""
    by_field = {question.field: question for question in QUESTIONS}
    asked: set[str] = set()
    for problem in error.problems:
        draw_problem(conversation.screen, problem)
        field = problem.field.partition(".")[0].partition("[")[0]
        if field in asked:
            continue
        asked.add(field)
        if field == ENVIRONMENT:
            answers.environment.clear()
            _ask_for_variables(conversation, answers)
        elif field in by_field:
            _ask(conversation, by_field[field], answers)
    if not asked & ({*by_field, ENVIRONMENT}):
        _ask_what_to_change(conversation, answers)


def _ask_what_to_change(conversation: Conversation, answers: Answers) -> None:
    """Offer every field with its answer, until the operator wants to try again. Raises BackToMenu."""
    translate = conversation.screen.translate
    while True:
        lines = [Choice(TRY_AGAIN, message("Try again").text(translate))]
        for number, question in enumerate(QUESTIONS, start=TRY_AGAIN + 1):
            value: Any = answers.typed.get(question.field) or "-"
            lines.append(Choice(number, f"{question.label.text(translate)}: {value}"))
        number = conversation.choose(message("What shall be changed?"), lines)
        if number == TRY_AGAIN:
            return
        _ask(conversation, QUESTIONS[number - TRY_AGAIN - 1], answers)
