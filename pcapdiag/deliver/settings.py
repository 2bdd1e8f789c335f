"""``tickets.toml`` -> `Site`s: where the ticket systems are, and where their secrets are kept.

One table a site, ``[sites.NAME]``. A key that is not known is refused with its nearest neighbour: a mistyped ``ca`` must
not mean that no CA is checked, and a mistyped ``max_file_octets`` no limit.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pcapdiag.deliver import system, urls
from pcapdiag.deliver.bundle import Dialect
from pcapdiag.deliver.secret import FromCommand, FromEnvironment, FromKeyring, Source
from pcapdiag.errors import TicketSettingsError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
SECRETS_THEMSELVES = frozenset({"token", "password", "secret", "api_key", "apikey", "key", "passwd"})

KINDS: dict[str, type] = {
    "system": str,
    "url": str,
    "default": bool,
    "user": str,
    "token_env": str,
    "token_keyring": list,
    "token_command": list,
    "ca": str,
    "client_cert": str,
    "client_key": str,
    "plain_http": bool,
    "timeout_s": int,
    "max_file_octets": int,
    "max_total_octets": int,
    # of single systems (System.options)
    "service_management": bool,
    "attach_to_internal": bool,
    "markup": str,
    "host": str,
    "port": int,
    "security": str,
    "sender": str,
}
"""Every key there is, and what its value must be."""

TIMEOUT_S = 30
LONGEST_TIMEOUT_S = 3600


@dataclass(frozen=True, slots=True)
class Site:
    """One ticket system somewhere."""

    name: str
    system: str
    url: str = ""
    """Without a slash at its end."""
    secret: Source | None = None
    user: str = ""
    default: bool = False
    ca: str | None = None
    """PEM file with CAs that are trusted beside the system's own."""
    client_cert: str | None = None
    client_key: str | None = None
    timeout_s: int = TIMEOUT_S
    max_file_octets: int | None = None
    max_total_octets: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    """What only this system has."""


def load(path: Path, *, must_exist: bool) -> tuple[Site, ...]:
    """The sites of a file; none where there is no file, unless it was named."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if must_exist:
            raise TicketSettingsError(f"there is no file {path} with the settings of ticket systems") from None
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise TicketSettingsError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        return sites(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise TicketSettingsError(f"{path} is no TOML: {error}") from None
    except TicketSettingsError as error:
        raise TicketSettingsError(f"{path}: {error}") from None


def sites(tables: Mapping[str, Any]) -> tuple[Site, ...]:
    """The sites of a parsed file."""
    _known(tables, ("sites",), "at the top of the file")
    given = tables.get("sites", {})
    if not isinstance(given, dict) or not all(isinstance(table, dict) for table in given.values()):
        raise TicketSettingsError("every site is a table of its own: [sites.NAME]")
    return tuple(_site(name, table) for name, table in given.items())


def choose(all_sites: Iterable[Site], system_name: str, wanted: str | None, path: Path) -> Site:
    """The site that a ticket means: the named one, else the system's default or only one, else where the system is known to be."""
    every = tuple(all_sites)
    mine = [site for site in every if site.system == system_name]
    if wanted is not None:
        return _named(every, system_name, wanted, path)
    defaults = [site for site in mine if site.default]
    if len(defaults) == 1 or len(mine) == 1:
        return (defaults or mine)[0]
    if mine:
        names = ", ".join(site.name for site in mine)
        raise TicketSettingsError(
            f"{len(mine)} sites are {system_name} ({names}), and {'several say' if defaults else 'none says'} "
            f"default = true: write {system_name}@{mine[0].name}:..., or --site {mine[0].name}"
        )
    found = system.find(system_name)
    if found.url:
        return Site(system_name, system_name, url=found.url, secret=FromEnvironment(found.token_env))
    secret = ("token_env (the variable that holds the secret)",) if found.always_secret else ()
    raise TicketSettingsError(
        f"there are no settings for {found.title}: {path} needs a table such as [sites.work] with "
        f'system = "{system_name}", {" and ".join((*found.needs, *secret))}'
    )


def _named(every: tuple[Site, ...], system_name: str, wanted: str, path: Path) -> Site:
    for site in every:
        if site.name == wanted:
            if site.system != system_name:
                raise TicketSettingsError(f"the site {wanted} is {site.system}, not {system_name}")
            return site
    names = [site.name for site in every]
    near = difflib.get_close_matches(wanted, names, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"It has {', '.join(names) or 'none'}."
    raise TicketSettingsError(f"{path} has no site {wanted!r}. {hint}")


def _site(name: str, table: Mapping[str, Any]) -> Site:
    here = f"in [sites.{name}]"
    if not NAME.fullmatch(name):
        raise TicketSettingsError(f"{name!r} is no name for a site: letters, digits, '-', '_' and '.'")
    found = system.find(_system_name(table, here))
    _check(table, found, here)
    return Site(
        name=name,
        system=found.name,
        url=_url(table, here) or found.url,
        secret=_secret(table, found, here),
        options={key: table[key] for key in found.options if key in table},
        **{key: table[key] for key in _PLAIN if key in table},
    )


def _check(table: Mapping[str, Any], found: system.System, here: str) -> None:
    """Keys that this system has, values that they may have, and none missing."""
    for key in sorted(SECRETS_THEMSELVES.intersection(table)):
        raise TicketSettingsError(
            f"{key} {here} would keep a secret in clear: say where it is with token_env (a variable), "
            "token_keyring (service and user) or token_command (a program that prints it)"
        )
    others = _options_of_all() - found.options
    _known(table, [key for key in KINDS if key not in others], here)
    for key, value in table.items():
        kind = KINDS[key]
        if type(value) is not kind or (isinstance(value, int) and kind is int and value < 1):
            raise TicketSettingsError(f"{key} {here} must be {_KIND_WORDS[kind]}, not {value!r}")
    if table.get("timeout_s", TIMEOUT_S) > LONGEST_TIMEOUT_S:
        raise TicketSettingsError(f"timeout_s {here} is {table['timeout_s']}: at most {LONGEST_TIMEOUT_S} s are waited")
    if table.get("markup", "plain") not in [each.value for each in Dialect]:
        raise TicketSettingsError(f"markup {here} is none of {', '.join(each.value for each in Dialect)}")
    missing = [key for key in found.needs if not table.get(key) and not (key == "url" and found.url)]
    if missing:
        raise TicketSettingsError(f"{' and '.join(missing)} {here} is missing")


_PLAIN = (
    "user",
    "default",
    "ca",
    "client_cert",
    "client_key",
    "timeout_s",
    "max_file_octets",
    "max_total_octets",
)
_KIND_WORDS = {str: "a text", bool: "true or false", list: "a list of texts", int: "a whole number above 0"}


def _options_of_all() -> frozenset[str]:
    return frozenset().union(*(system.find(name).options for name in system.names()))


def _known(table: Mapping[str, Any], keys: Iterable[str], here: str) -> None:
    known = list(keys)
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]}?" if near else f" There are {', '.join(sorted(known))}."
            raise TicketSettingsError(f"there is no {key} {here}.{hint}")


def _system_name(table: Mapping[str, Any], here: str) -> str:
    if "system" not in table:
        near = difflib.get_close_matches("system", table, n=1)
        hint = f"; did you mean it by {near[0]}?" if near else f": one of {', '.join(system.names())}"
        raise TicketSettingsError(f"system {here} is missing{hint}")
    name = table["system"]
    if isinstance(name, str) and name in system.names():
        return name
    near = difflib.get_close_matches(str(name), system.names(), n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(system.names())}"
    raise TicketSettingsError(f"system {here} is {name!r}: {hint}")


def _url(table: Mapping[str, Any], here: str) -> str:
    """TLS, unless it is this machine or the settings say otherwise: a token in clear is anybody's."""
    url: str = table.get("url", "").rstrip("/")
    if not url:
        return ""
    try:
        where = urls.origin(url)
    except ValueError:
        where = urls.Origin("", "", None)
    if where.scheme not in ("http", "https") or not where.host or "@" in url or "?" in url or "#" in url:
        raise TicketSettingsError(f"url {here} must be like https://rt.example.net, without a user or a query")
    if where.scheme == "http" and where.host not in urls.LOOPBACK and not table.get("plain_http"):
        raise TicketSettingsError(
            f"url {here} is http: the secret would cross the network in clear. Use https, or say plain_http = true"
        )
    return url


def _secret(table: Mapping[str, Any], found: system.System, here: str) -> Source | None:
    ways = [key for key in ("token_env", "token_keyring", "token_command") if key in table]
    if len(ways) > 1:
        raise TicketSettingsError(f"{' and '.join(ways)} {here}: one of them is enough")
    if ways:
        return _source(ways[0], table[ways[0]], here)
    if found.token_env:
        return FromEnvironment(found.token_env)
    if found.always_secret or table.get("user"):
        raise TicketSettingsError(
            f"{here} nothing says where its secret is: token_env (a variable), token_keyring (service and user) or "
            "token_command (a program that prints it)"
        )
    return None


def _source(key: str, value: str | list[str], here: str) -> Source:
    if isinstance(value, str):
        return FromEnvironment(value)
    if not value or not all(isinstance(word, str) and word for word in value):
        raise TicketSettingsError(f"{key} {here} must be a list of texts")
    if key == "token_command":
        return FromCommand(tuple(value))
    if len(value) != 2:
        raise TicketSettingsError(f'{key} {here} must name service and user, such as ["rt.example.net", "anna"]')
    return FromKeyring(*value)
