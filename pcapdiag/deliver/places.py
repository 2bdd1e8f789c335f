"""Where the settings lie and where pcapdiag remembers what it mailed: the one module that asks the platform."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

SETTINGS_VARIABLE = "PCAPDIAG_TICKETS"


def settings_file() -> Path:
    """``tickets.toml`` in the user's configuration directory, unless PCAPDIAG_TICKETS names another file."""
    named = os.environ.get(SETTINGS_VARIABLE)
    return Path(named) if named else platformdirs.user_config_path("pcapdiag", appauthor=False) / "tickets.toml"


def memory_directory() -> Path:
    """Where deliveries are remembered that no ticket system can be asked about."""
    return platformdirs.user_state_path("pcapdiag", appauthor=False) / "delivered"
