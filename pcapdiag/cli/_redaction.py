"""The options that say what is hidden from whoever reads the result, and the key of the pseudonyms."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pcapdiag.errors import UsageError

if TYPE_CHECKING:
    from pcapdiag.pseudonym import Pseudonyms

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--redact",
        type=click.Choice(["none", "mail", "all"]),
        help="Hide the local parts of mail addresses (mail), or IP addresses and host names, too (all). "
        "By default what goes to others is at level mail; text and JSON hide nothing.",
    ),
    click.option(
        "--redact-key",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="Keep the key of the pseudonyms there (made if missing), so that the next report uses the same ones.",
    ),
)


def redaction_options(command: F) -> F:
    """What is hidden."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def level_of(given: dict[str, Any], *, for_others: bool) -> str:
    """What the options say; `for_others`: the result leaves this machine, and without a word is redacted."""
    level: str = given["redact"] or ("mail" if for_others else "none")
    if level == "none" and given["redact_key"] is not None:
        raise UsageError("--redact-key has no use, because nothing is redacted: add --redact mail or --redact all")
    return level


def pseudonyms_of(given: dict[str, Any], *, for_others: bool) -> Pseudonyms:
    """The pseudonyms that the options ask for; see `level_of`."""
    from pcapdiag.pseudonym import Level, Pseudonyms

    level = Level(level_of(given, for_others=for_others))
    if given["redact_key"] is None:
        return Pseudonyms(level)
    return Pseudonyms(level, _key(given["redact_key"]))


def _key(path: str) -> bytes:
    """The key in the file, as hexadecimal digits; a new one if there is no such file."""
    from pcapdiag.pseudonym import KEY_OCTETS, new_key

    try:
        with open(path, encoding="ascii") as file:
            key = bytes.fromhex(file.read(4096))
    except FileNotFoundError:
        key = new_key()
        _keep(path, key)
    except OSError as error:
        raise UsageError(f"the key {path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise UsageError(f"{path} holds no key: {2 * KEY_OCTETS} hexadecimal digits are expected") from error
    if len(key) != KEY_OCTETS:
        raise UsageError(f"{path} holds a key of {len(key)} octets: {KEY_OCTETS} are expected, in hexadecimal digits")
    return key


def _keep(path: str, key: bytes) -> None:
    """Write a key that only its owner may read."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(handle, "w", encoding="ascii") as file:
                file.write(key.hex() + "\n")
        except BaseException:
            os.unlink(path)  # half a key would be refused for ever
            raise
    except OSError as error:
        raise UsageError(f"the key {path} cannot be written: {error.strerror or error}") from error
