"""What was recorded with which versions: captures/lab/ORIGIN.md."""

import platform
import re
import subprocess
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from .software.exim import Exim
from .software.mail_system import MailSystem
from .software.opensmtpd import OpenSmtpd
from .software.postfix import Postfix
from .software.roots import Recipe, versions
from .software.sendmail import Sendmail
from .software.swaks import Swaks

MAIL_SYSTEMS: tuple[type[MailSystem], ...] = (Postfix, Exim, OpenSmtpd, Sendmail)
LIBRARIES = ("aiosmtpd", "trustme")
TOOLS = {
    "iproute2": ["ip", "-V"],
    "nftables": ["nft", "--version"],
    "tcpdump": ["tcpdump", "--version"],
    "tshark": ["tshark", "--version"],
}
PAGE = """\
# Captures of the fault lab

Recorded by this project's own lab, for this project: real TCP stacks and mail servers in network namespaces, with faults on purpose. Nobody's mail is in
here: clients have private addresses, servers those of documentation. [tests/lab/README.md](../../tests/lab/README.md) says how the lab works.

Each directory is one scenario: what was seen at the client, at the router in the middle (on its side toward the client) and at the server, and `truth.json`: what
was *done*, the journal of those who did it, and what is accepted of each file. `keys.txt`, where there is one, holds the TLS keys for Wireshark.

Everything is recorded anew, as root, by

```sh
python -m tests.lab record --all
```

Recorded on {date}, with

{versions}
"""


def write(directory: Path) -> None:
    """Of a recording that is just done."""
    kernel = ".".join(platform.release().split(".")[:2])
    lines = [f"Linux {kernel}", f"Python {platform.python_version()}", *_tools(), *_libraries(), *_mail_software()]
    page = PAGE.format(date=time.strftime("%Y-%m-%d"), versions="\n".join(f"* {line}" for line in lines))
    (directory / "ORIGIN.md").write_text(page)


def _tools() -> Iterable[str]:
    for name, command in TOOLS.items():
        said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
        found = re.search(r"\d+\.[\d.]*\d", said.stdout or said.stderr)
        yield f"{name} {found[0] if found else '(version unknown)'}"


def _libraries() -> Iterable[str]:
    return (f"{name} {version(name)}" for name in LIBRARIES)


def _mail_software() -> Iterable[str]:
    recipes: list[Recipe] = [kind.recipe for kind in MAIL_SYSTEMS] + [Swaks.recipe]
    for recipe in recipes:
        name = recipe.packages[0]
        yield f"{name} {versions(recipe)[name]}"
