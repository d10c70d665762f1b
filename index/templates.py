"""Questions by rule, from a tool's name, description and parameters: for a tool that nobody has asked for yet. Pure."""

from __future__ import annotations

import re

from domain.questions import MAX_CHARS, Question, QuestionSource
from domain.text import ToolText

MAX_PARAMETERS = 3
_SENTENCE_END = re.compile(r"(?<=[.!?])\s")
_LEAD = re.compile(
    r"^(?:an?|the)\s+(?:\w+\s+){0,3}?(?:tool|plugin|api|function|endpoint)\s+(?:that|which|to|for)\s+", re.IGNORECASE
)
_THIRD_PERSON = re.compile(r"^(\w{2,}?(?:[^s\W]))s\s", re.IGNORECASE)


def template_questions(text: ToolText) -> tuple[Question, ...]:
    """Two or three ways to ask for a tool; none for one without a name.

    >>> [q.text for q in template_questions(ToolText("", "get weather", "Returns the weather of a city.", "city, day"))]
    ['get weather with city and day', 'I want to return the weather of a city', 'Can you get weather?']
    """
    if not text.name:
        return ()
    asked = [f"{text.name}{_given(text.parameters)}", f"Can you {text.name}?"]
    if purpose := _purpose(text.description):
        asked.insert(1, f"I want to {purpose}")
    return tuple(Question(question[:MAX_CHARS], QuestionSource.TEMPLATE) for question in asked)


def _given(parameters: str) -> str:
    names = [part.partition(":")[0].strip() for part in parameters.split(", ")]
    short = [name for name in names if name and len(name.split()) <= MAX_PARAMETERS][:MAX_PARAMETERS]
    return f" with {' and '.join(short)}" if short else ""


def _purpose(description: str) -> str:
    """The first sentence as something one may want: `Returns the x.` becomes `return the x`."""
    sentence = _SENTENCE_END.split(description, maxsplit=1)[0].rstrip(".!? ")
    wish = _THIRD_PERSON.sub(r"\1 ", _LEAD.sub("", sentence))
    return wish[:1].lower() + wish[1:]
