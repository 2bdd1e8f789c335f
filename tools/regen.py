"""Writes every file that is made from others: `python -m tools.regen`; with `--check` it only says which are stale.

* captures/*/capture.pcap and the list in captures/README.md, from the ladders;
* docs/reference/rules.md from the rules' docstrings, docs/reference/cli.md from the command line's help;
* docs/reference/scoreboard.md from the lab's recordings, their truths, and what pcapdiag says of them;
* the outputs shown in README.md and docs/, by running the commands that stand above them;
* the golden reports in tests/, from the scenes.

Look at what changed with `git diff`, and read it as prose before committing it.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from pcapdiag.cli import main as command_line
from pcapdiag.diagnosis.rule import HEADINGS, Rule, all_rules, document
from tests.lab import score, scoreboard
from tests.report import goldens
from tests.scenes.build import outputs as built_from_ladders
from tools.readme import ROOT, pages, with_outputs

Made = Iterator[tuple[Path, bytes]]
"""Files as they should be."""

Generator = Callable[[], Made]

CLASSES = {
    "1": "Nobody: orderly ends, and sessions still open",
    "2": "The client",
    "3": "The server",
    "4": "A middlebox",
    "5": "The path",
    "6": "Causes and circumstances that accompany a verdict",
    "9": "The capture itself",
}
"""First digit of an id -> what the rules of that hundred speak about."""


def scenes() -> Made:
    yield from built_from_ladders().items()


def rules_page() -> Made:
    lines = [
        "# Rules",
        "",
        "Written by `python -m tools.regen` from the docstrings of `pcapdiag/diagnosis/rules/`; `pcapdiag explain ID` prints the same.",
        "",
    ]
    rules = all_rules()
    for digit, name in CLASSES.items():
        members = [rule for rule in rules if rule.id[2] == digit]
        lines += [f"* {name}: " + ", ".join(f"[{rule.id}](#{rule.id.lower()})" for rule in members)] if members else []
    for digit, name in CLASSES.items():
        members = [rule for rule in rules if rule.id[2] == digit]
        if members:
            lines += ["", f"## {name}"]
        for rule in members:
            lines += ["", *rule_section(rule)]
    yield ROOT / "docs/reference/rules.md", ("\n".join(lines) + "\n").encode()


def rule_section(rule: Rule) -> Iterator[str]:
    story = document(rule)
    yield f'### <a id="{rule.id.lower()}"></a>{rule.id}: {rule.title}'
    yield ""
    about = f"Names: {rule.party.value}." if rule.party else "Accompanies a verdict."
    replaces = ", ".join(f"[{other}](#{other.lower()})" for other in sorted(rule.supersedes))
    yield about + (f" Goes before {replaces}." if replaces else "")
    texts = (story.sees, story.means, story.lookalikes, story.what_to_do, story.sources)
    for heading, text in zip(HEADINGS, texts, strict=True):
        yield ""
        yield f"**{heading}.** " + re.sub(r"``(.+?)``", r"`\1`", text)


def cli_page() -> Made:
    lines = ["# Command line", "", "Written by `python -m tools.regen` from what `--help` says."]
    for name, command in commands(command_line, "pcapdiag"):
        lines += ["", f"## `{name}`", "", *told(command.help or ""), "", "| option | does |", "|---|---|"]
        lines += [option_row(option) for option in command.params if isinstance(option, click.Option)]
    yield ROOT / "docs/reference/cli.md", ("\n".join(lines) + "\n").encode()


def told(text: str) -> Iterator[str]:
    """A command's help as Markdown; click's mark for "do not wrap" becomes a code block."""
    for number, paragraph in enumerate(inspect.cleandoc(text).split("\n\n")):
        if number:
            yield ""
        mark, _, verbatim = paragraph.partition("\n")
        yield from ["```text", inspect.cleandoc(verbatim), "```"] if mark == "\b" else [paragraph]


def option_row(option: click.Option) -> str:
    """Made here and not by click, whose layout changes between versions."""
    names = ", ".join(f"`{text}`" for text in (*option.opts, *option.secondary_opts))
    if isinstance(option.type, click.Choice):
        value = " \\| ".join(f"`{choice}`" for choice in option.type.choices)
    else:
        value = "" if option.is_flag else option.metavar or option.type.name.upper()
    default = f" Default: `{option.default}`." if option.show_default else ""
    return f"| {names} {value} | {option.help or ''}{default} |".replace("  |", " |")


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """A command and all below it."""
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None
            yield from commands(found, f"{name} {below}")


def scoreboard_page() -> Made:
    yield ROOT / "docs/reference/scoreboard.md", scoreboard.page(score.everything()).encode()


def shown_outputs() -> Made:
    for page in pages():
        text = page.read_text(encoding="utf-8")
        yield page, with_outputs(text).encode()


def golden_reports() -> Made:
    yield from goldens.pages()


GENERATORS: dict[str, Generator] = {
    "scenes": scenes,
    "rules": rules_page,
    "cli": cli_page,
    "scoreboard": scoreboard_page,
    "goldens": golden_reports,
    "outputs": shown_outputs,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 when a file is stale")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"{', '.join(GENERATORS)} (default: all)")
    arguments = parser.parse_args()
    if unknown := set(arguments.kinds) - set(GENERATORS):
        parser.error(f"unknown kind {', '.join(sorted(unknown))}; there are {', '.join(GENERATORS)}")
    stale = []
    for kind in arguments.kinds or GENERATORS:
        for path, content in GENERATORS[kind]():
            if path.exists() and path.read_bytes() == content:
                continue
            stale.append(path)
            if not arguments.check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
    for path in stale:
        print(f"{'stale' if arguments.check else 'written'}: {path.relative_to(ROOT).as_posix()}")
    return bool(arguments.check and stale)


if __name__ == "__main__":
    sys.exit(main())
