"""Templates to pieces of the page, and the policy that lets nothing else run or load.

Everything a template is given is escaped where it is put in (autoescape), with two exceptions: our own style sheet and
script, which are files of this package. The policy names both by the hash of their octets, so whatever else might pass
for a script or a style in a browser is refused. A variable that a template misspells is an error, not a blank.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import Any

POLICY = (
    "default-src 'none'; script-src '{script}'; style-src '{style}'; img-src data:; base-uri 'none'; form-action 'none'"
)
"""Content Security Policy Level 3. `frame-ancestors` has no meaning in a meta element, so it is not here."""

LONGEST = 2_000
"""Characters of one text."""


class Page:
    """Writes the pieces of one page."""

    def __init__(self) -> None:
        from jinja2 import Environment, FunctionLoader, StrictUndefined  # noqa: PLC0415  (only where a page is written)

        self._environment = Environment(
            loader=FunctionLoader(_file),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_bounded,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(_ours())

    def write(self, template: str, **view: Any) -> str:
        """One piece."""
        return self._environment.get_template(template).render(**view)


def _bounded(value: Any) -> Any:
    """What is put in, cut where a stranger's words would flood the page. (Markup, our own, has a type of its own.)"""
    if type(value) is str and len(value) > LONGEST:
        return f"{value[:LONGEST]}… (cut: {len(value):,} characters)"
    return value


def policy() -> str:
    """What the page allows its browser."""
    return POLICY.format(script=_hash(_file("page.js")), style=_hash(_file("page.css")))


def _ours() -> dict[str, Any]:
    """The only text that is not escaped, and the policy that goes with it."""
    from markupsafe import Markup  # noqa: PLC0415

    return {"style": Markup(_file("page.css")), "script": Markup(_file("page.js")), "policy": policy()}


def _hash(text: str) -> str:
    """Of the text between the tags, to the octet."""
    return "sha256-" + b64encode(sha256(text.encode("utf-8")).digest()).decode("ascii")


def _file(name: str) -> str:
    return files(__package__).joinpath("templates", name).read_text(encoding="utf-8")
