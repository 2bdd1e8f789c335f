"""pcapdiag: who dropped the SMTP connection, and at which protocol stage.

>>> from pcapdiag import analyze
>>> for judged in analyze(["trace.pcap"]).sessions:  # doctest: +SKIP
...     print(judged.id, judged.verdict.dropped_by, judged.verdict.stage)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pcapdiag.version import __version__

if TYPE_CHECKING:
    from pcapdiag.analysis import Analysis
    from pcapdiag.pipeline import analyze


__all__ = ["Analysis", "__version__", "analyze"]


def __getattr__(name: str) -> Any:
    """Load what a script needs when it asks for it: ``pcapdiag --help`` must not wait for numpy."""
    if name == "analyze":
        from pcapdiag.pipeline import analyze  # noqa: PLC0415 - see above

        return analyze
    if name == "Analysis":
        from pcapdiag.analysis import Analysis  # noqa: PLC0415 - see above

        return Analysis
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
