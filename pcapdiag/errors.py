"""What pcapdiag raises at people: files, permissions, missing programs. Traffic never raises.

    PcapdiagError
    +-- CaptureError             an input cannot be read
    |   +-- NotACapture          its content is no capture format that we know
    |   +-- UnsupportedLinkType  no packet of it could be understood
    +-- LiveError                packets cannot be taken from an interface
    |   +-- NoSuchInterface      there is none of that name
    |   +-- LiveCaptureDenied    the system does not let us
    |   +-- FilterRefused        the capture filter has a mistake, or nobody can compile it
    |   +-- CaptureProgramFailed --via without such a program, or it ended by itself
    +-- SliceRefused             a session's packets cannot be written out again
    +-- SpoolFull                the temporary file for finished sessions cannot be written
    +-- TsharkMissing            --engine tshark without a tshark (or a pyshark) that runs
    +-- UsageError               options that contradict one another
    |   +-- TicketSettingsError  the settings of ticket systems, or a secret they name, cannot be used
    +-- DeliveryError            the report is not in the ticket, or not all of it
        +-- DeliveryRefused      pcapdiag would not send it: there already, or everybody would read it
        +-- DeliveryFailed       it was sent, and the ticket system or the way to it did not take all of it

Every message says what happened, with numbers, and what fixes it.
"""

from __future__ import annotations


class PcapdiagError(Exception):
    """Base of all errors that are shown to the user as one sentence."""


class CaptureError(PcapdiagError):
    """An input cannot be read. `path` names it."""

    def __init__(self, path: str, says: str) -> None:
        super().__init__(f"{path}: {says}")
        self.path = path
        self.says = says

    def __reduce__(self) -> tuple[type[CaptureError], tuple[str, str]]:
        """It travels between processes: `Exception` would be made again from its text alone."""
        return type(self), (self.path, self.says)


class NotACapture(CaptureError):
    """The content of the file is no capture format that pcapdiag knows."""


class UnsupportedLinkType(CaptureError):
    """The file is a capture, but its link type or format is one that the chosen engine does not know."""


class LiveError(PcapdiagError):
    """Packets cannot be taken from an interface."""


class NoSuchInterface(LiveError):
    """There is no interface of that name."""


class LiveCaptureDenied(LiveError):
    """The system does not let us capture; the message says which command lets us."""


class FilterRefused(LiveError):
    """The capture filter has a mistake, or the library that compiles it is missing."""


class CaptureProgramFailed(LiveError):
    """The program of ``--via`` is missing, cannot be started, or ended by itself."""


class SliceRefused(PcapdiagError):
    """A session's packets cannot be written out again: its capture cannot be read twice, or is not the same any more."""


class SpoolFull(PcapdiagError):
    """The temporary file for finished sessions cannot be written."""


class TsharkMissing(PcapdiagError):
    """The tshark engine was asked for and cannot run."""


class UsageError(PcapdiagError):
    """Options that contradict one another."""


class TicketSettingsError(UsageError):
    """The settings of ticket systems, or a secret they name, cannot be used."""


class DeliveryError(PcapdiagError):
    """The report is not in the ticket, or not all of it."""


class DeliveryRefused(DeliveryError):
    """pcapdiag would not send it: the ticket has it already, or people would read it who should not."""


class DeliveryFailed(DeliveryError):
    """The ticket system did not take it. `there` names what is in the ticket nevertheless; `uncertain`: it was sent, and no
    answer came, so nobody knows whether it is there."""

    def __init__(self, says: str, *, there: tuple[str, ...] = (), uncertain: bool = False) -> None:
        super().__init__(says)
        self.there = there
        self.uncertain = uncertain
