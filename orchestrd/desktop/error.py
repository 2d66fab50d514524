"""What goes wrong with Desktop's configuration."""

from __future__ import annotations


class DesktopError(Exception):
    """Something cannot be done to Desktop's configuration, which is as it was: one line, with what to do."""
