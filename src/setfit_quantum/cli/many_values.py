"""Options that take several values: after one another, repeated, or with commas between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from typer.core import TyperCommand

IsValue = Callable[[str], bool]


class ManyValuesCommand(TyperCommand):
    """A command with options like `--shots 0 128 1024`, which click knows only as `--shots 0 --shots 128`.

    `many` maps such an option to what tells its values from other arguments.
    """

    many: ClassVar[Mapping[str, IsValue]] = {}

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the option before each of its values."""
        parsed: list[str] = super().parse_args(ctx, repeat_options(args, self.many))
        return parsed


def repeat_options(args: Sequence[str], many: Mapping[str, IsValue]) -> list[str]:
    """`["--shots", "0", "128"]` -> `["--shots", "0", "--shots", "128"]` for the options in `many`.

    The first word behind an option is its value whatever it is; the following ones only if they look like one.
    """
    result: list[str] = []
    option, has_value = "", False
    for place, word in enumerate(args):
        if word == "--":
            return result + list(args[place:])
        if word.startswith("-") and len(word) > 1:
            option, has_value = word if word in many else "", False
        elif option and has_value:
            if many[option](word):
                result.append(option)
            else:
                option = ""
        elif option:
            has_value = True
        result.append(word)
    return result


def split_values(values: Sequence[str] | None) -> list[str] | None:
    """The single values of an option, those joined by commas taken apart; None where it was not given."""
    if not values:
        return None
    return [part.strip() for value in values for part in value.split(",") if part.strip()]
