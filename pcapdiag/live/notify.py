"""What systemd wants to hear of a service (sd_notify(3)): that it is ready, alive, and how it is."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from pcapdiag.live.events import Event, Pulse
from pcapdiag.live.listening import Tally
from pcapdiag.report.words import count


class Notifier:
    """Writes to the socket that systemd named; without one (not started by systemd, or not Type=notify) to nobody."""

    def __init__(self) -> None:
        # Not for the commands that we run: they are no part of the service's state.
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        os.environ.pop("WATCHDOG_USEC", None)
        self._tally = Tally(None, until_drop=False)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if self._address else None
        if self._socket is not None:
            self._socket.setblocking(False)

    def ready(self) -> None:
        """The capture has begun."""
        self._say("READY=1")

    def hear(self, event: Event) -> None:
        """A pulse comes once a second, as long as batches are judged: that is what the watchdog watches."""
        self._tally.hear(event)
        if isinstance(event, Pulse):
            lost = "" if not event.dropped else f", {count(event.dropped, 'packet')} lost"
            down = f", down: {' '.join(event.down)}" if event.down else ""
            open_, ended = count(event.open, "connection"), count(self._tally.sessions, "session")
            says = f"{open_} open, {ended} ended, {self._tally.dropped} dropped{lost}{down}"
            self._say(f"WATCHDOG=1\nSTATUS={says}")

    def stopping(self) -> None:
        """The end has begun."""
        self._say("STOPPING=1")

    def _say(self, text: str) -> None:
        if self._socket is not None:
            # A leading @ stands for the abstract namespace.
            address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
            with suppress(OSError):
                self._socket.sendto(text.encode(), address)
