"""Which analyses were mailed where: a file each, made exclusively, so that of two runs at once one finds it there.

Only for systems that nobody can ask (`System.seen` is None). A file is made before anything is sent and taken away when
nothing was; when a run died between, or no answer came, it stays: whether the mail went out is then for people to find out.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Self

from pcapdiag.errors import DeliveryRefused, TicketSettingsError
from pcapdiag.target import draft_of


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to send one analysis to one place."""

    path: Path

    @classmethod
    def take(cls, directory: Path, place: str, fingerprint: str, now: datetime, *, again: bool) -> Self:
        """DeliveryRefused where it was sent before, and not `again`."""
        path = directory / f"{sha256(f'{place} {fingerprint}'.encode()).hexdigest()[:32]}.json"
        story = {"to": place, "analysis": fingerprint, "at": now.isoformat(timespec="seconds"), "sent": None}
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            if again:
                path.unlink(missing_ok=True)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                json.dump(story, file)
        except FileExistsError:
            raise DeliveryRefused(_told(path, place)) from None
        except OSError as error:
            raise TicketSettingsError(
                f"what is mailed must be remembered in {directory}, which cannot be written: {error.strerror or error}"
            ) from None
        return cls(path)

    def sent(self, how: str) -> None:
        """It went out; `how`: what the mail server said."""
        story = json.loads(self.path.read_text(encoding="utf-8")) | {"sent": how}
        with draft_of(self.path) as draft:
            Path(draft.name).write_text(json.dumps(story), encoding="utf-8")
            draft.put_in_place()

    def release(self) -> None:
        """It did not go out."""
        self.path.unlink(missing_ok=True)


def _told(path: Path, place: str) -> str:
    story: dict[str, object] = {}
    with suppress(OSError, ValueError):
        story = json.loads(path.read_text(encoding="utf-8"))
    when = story.get("at", "earlier")
    if story.get("sent"):
        return f"this analysis was mailed to {place} already, {when}; --again sends it once more"
    return (
        f"this analysis was being mailed to {place} at {when}, and how that ended is not known: look there first; "
        "--again sends it in any case"
    )
