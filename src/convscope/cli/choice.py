"""A choice whose misspelled values are answered with the closest ones."""

from __future__ import annotations

from typing import Any

import click

from convscope.errors import did_you_mean, same_letters


class Choice(click.Choice[Any]):
    """Click's, with ``Did you mean``: a list of thirty methods is no answer to a missing hyphen."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value that is meant; BadParameter with what is closest and what is possible."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            choices = [*map(str, self.choices)]
            meant = same_letters(str(value), choices)
            closest = f" Did you mean {meant!r}?" if meant else did_you_mean(str(value), choices)
            raise click.BadParameter(f"{error.message}{closest}", ctx, param) from None
