"""Where a secret is kept -> the secret: an environment variable, the desktop's keyring, or what a command prints.

It is never on a command line, which every user of the machine can read, and never in the settings, which end up in
backups and repositories. It is fetched when something is about to be sent, and not for a dry run.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass

from pcapdiag.errors import TicketSettingsError

COMMAND_SECONDS = 60
"""A password manager may ask its user for a passphrase."""


class Secret:
    """A secret that does not show when it is printed, compared in a test's output or shown in a traceback."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself, for the header it goes into."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def hidden_in(self, text: str) -> str:
        """The text without it, in whatever letters: a host name is written in small ones."""
        return re.sub(re.escape(self._value), "***", text, flags=re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FromEnvironment:
    """``token_env``: the name of a variable."""

    variable: str

    def fetch(self, site: str) -> Secret:
        value = os.environ.get(self.variable, "").strip()
        if not value:
            raise TicketSettingsError(
                f"the environment variable {self.variable}, which holds the secret of the site {site}, is not set"
            )
        return _checked(value, f"the environment variable {self.variable}")

    def __str__(self) -> str:
        return f"environment variable {self.variable}"


@dataclass(frozen=True, slots=True)
class FromKeyring:
    """``token_keyring``: service and user, as `keyring set SERVICE USER` has kept it."""

    service: str
    user: str

    def fetch(self, site: str) -> Secret:
        try:
            import keyring  # noqa: PLC0415  (an extra: not everybody has it)
        except ImportError:
            raise TicketSettingsError(
                f"the secret of the site {site} is in the keyring, for which Python's keyring is missing: "
                "python -m pip install 'pcapdiag[keyring]'"
            ) from None
        try:
            value = keyring.get_password(self.service, self.user)
        except Exception as error:  # every backend raises its own
            raise TicketSettingsError(f"the keyring did not give the secret of the site {site}: {error}") from None
        if not value:
            raise TicketSettingsError(
                f"the keyring has no secret of {self.user} for {self.service}: keyring set {self.service} {self.user}"
            )
        return _checked(value.strip(), "the keyring")

    def __str__(self) -> str:
        return f"keyring, {self.user} of {self.service}"


@dataclass(frozen=True, slots=True)
class FromCommand:
    """``token_command``: a program and its arguments, run without a shell; the secret is the first line it prints."""

    arguments: tuple[str, ...]

    def fetch(self, site: str) -> Secret:
        program = self.arguments[0]
        try:
            done = subprocess.run(
                self.arguments, stdout=subprocess.PIPE, timeout=COMMAND_SECONDS, check=False, encoding="utf-8"
            )
        except subprocess.TimeoutExpired:
            raise TicketSettingsError(
                f"{program}, which prints the secret of the site {site}, did not end within {COMMAND_SECONDS} s"
            ) from None
        except UnicodeDecodeError:
            raise TicketSettingsError(
                f"{program}, which prints the secret of the site {site}: its output is no text"
            ) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise TicketSettingsError(f"{program}, which prints the secret of the site {site}: {reason}") from None
        if done.returncode:
            raise TicketSettingsError(
                f"{program}, which prints the secret of the site {site}, ended with status {done.returncode}"
            )
        lines = done.stdout.splitlines()
        if not lines or not lines[0].strip():
            raise TicketSettingsError(f"{program}, which prints the secret of the site {site}, printed nothing")
        return _checked(lines[0].strip(), program)

    def __str__(self) -> str:
        return f"what {self.arguments[0]} prints"


Source = FromEnvironment | FromKeyring | FromCommand


def _checked(value: str, source: str) -> Secret:
    """A header takes no more than this (RFC 9110 section 5.5); a secret that it would not take must not get into an error."""
    if not value.isascii() or not value.isprintable():
        raise TicketSettingsError(f"the secret from {source} has characters that no token has: control or not ASCII")
    return Secret(value)
