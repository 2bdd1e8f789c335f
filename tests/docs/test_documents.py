"""The documentation says what is: options, outputs, links, rules and words are compared with the program."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from pcapdiag import model
from pcapdiag.cli import main as command_line
from pcapdiag.diagnosis.rule import all_rules
from tools import readme, regen

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
OWN_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
OTHERS = {
    "--check",  # tools.regen
    "--hypothesis-profile",
    "--version",
}
"""Options that our pages mention and that are not those of a command of `pcapdiag`."""


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


COMMANDS = dict(regen.commands(command_line, "pcapdiag"))


def options_of(command: click.Command) -> set[str]:
    context = click.Context(command)
    spelled = {text for option in command.get_params(context) for text in (*option.opts, *option.secondary_opts)}
    return {text for text in spelled if text.startswith("--")}


def prose_of(page: Path) -> str:
    """The page without output blocks, in which other programs' words may stand, and without other programs' commands."""
    text = readme.OUTPUT.sub("", page.read_text(encoding="utf-8"))
    return "\n".join(line for line in text.splitlines() if not re.match(r"\s*(tcpdump|apt|python|pip)\b", line))


def test_readme_names_every_option() -> None:
    assert options_of(COMMANDS["pcapdiag analyze"]) - set(OWN_OPTION.findall(prose_of(ROOT / "README.md"))) == set()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_page_names_an_option_that_is_not(page: Path) -> None:
    known = OTHERS.union(*map(options_of, COMMANDS.values()))
    assert set(OWN_OPTION.findall(prose_of(page))) - known == set()


@pytest.mark.parametrize("page", [page for page in PAGES if "docs" in page.parts or page.name == "README.md"], ids=name)
def test_shown_output_is_what_the_command_prints(page: Path) -> None:
    for _, command, shown, _ in readme.OUTPUT.findall(page.read_text(encoding="utf-8")):
        assert readme.output_of(command) == shown, f"{command} prints something else: python -m tools.regen"


def test_the_first_command_ends_with_the_one_whose_output_is_shown() -> None:
    assert readme.shown_after(readme.commands()["first"])
    assert set(readme.commands()) == {"first", "tests"}


@pytest.mark.parametrize(
    "generator",
    [regen.scenes, regen.rules_page, regen.cli_page, regen.scoreboard_page],
    ids=lambda each: each.__name__,
)
def test_generated_files_are_fresh(generator: regen.Generator) -> None:
    for path, content in generator():
        assert path.read_bytes() == content, f"{name(path)} is stale: python -m tools.regen"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_pages_name_rules_that_are(page: Path) -> None:
    named = set(re.findall(r"\bPD\d{3}\b", page.read_text(encoding="utf-8")))
    if page.name == "verdict.md":  # the contract shows made-up ids in its example
        return
    assert named <= {rule.id for rule in all_rules()}


@pytest.mark.parametrize(
    "enum", [model.Party, model.How, model.Stage, model.Strength, model.Impact], ids=lambda each: each.__name__
)
def test_the_contract_defines_every_word(enum: type[model.Party]) -> None:
    contract = (ROOT / "docs/reference/verdict.md").read_text(encoding="utf-8")
    for word in enum:
        assert re.search(rf"(`|\*\*){word.value}(`|\*\*)", contract), word
