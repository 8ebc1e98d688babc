"""The book's figures: functions from measured numbers to a :class:`Drawing`, which carries its own description.

What every chapter uses can be had from the package itself; what draws is in its modules.
"""

from repsim.lab.figures.display import cost_sentence, p_value, sample, say, show, show_table, unchanged_by
from repsim.lab.figures.style import network, title
from repsim.lab.figures.verdicts import answer, conclude, explain, show_answers

__all__ = [
    "answer",
    "conclude",
    "cost_sentence",
    "explain",
    "network",
    "p_value",
    "sample",
    "say",
    "show",
    "show_answers",
    "show_table",
    "title",
    "unchanged_by",
]
