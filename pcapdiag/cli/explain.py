"""``pcapdiag explain``: the story of a rule, or the list of all rules."""

from __future__ import annotations

import click

from pcapdiag.cli import debug_option
from pcapdiag.cli._output import Output, colour_option


@click.command(name="explain", short_help="Tell the story of a rule, or list all rules.")
@click.argument("rule_id", metavar="[ID]", required=False)
@colour_option
@debug_option
def command(rule_id: str | None, color: bool | None) -> None:
    """Tell the whole story of the rule ID; without ID, list all rules."""
    from pcapdiag.diagnosis.rule import UnknownRule, all_rules, explain
    from pcapdiag.report.text.rules import listing, story
    from pcapdiag.report.text.style import Style

    with Output(None, colour=color) as output:
        style = Style(width=output.width, colour=output.colour, unicode=output.unicode)
        if rule_id is None:
            output.lines(listing(all_rules(), style))
            return
        try:
            doc = explain(rule_id)
        except UnknownRule as error:
            near = f" Did you mean {' or '.join(error.nearest)}?" if error.nearest else ""
            raise click.UsageError(f"{error}.{near} All ids: pcapdiag explain") from error
        output.lines(story(doc, style))
