"""What the simulation found that must not be."""

from __future__ import annotations


class Violation(AssertionError):
    """The engine decided what it must not; nothing after it counts."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.where, self.what = where, what

    @property
    def kind(self) -> str:
        """The words of it without names and numbers: a shorter story has to show the same."""
        return "".join(letter for letter in self.what.split(":")[0] if not letter.isdigit())


class Killed(BaseException):
    """The daemon is killed here. Not an Exception: nothing of it may be caught on the way."""

    def __init__(self, down: float, *, is_power_cut: bool) -> None:
        super().__init__()
        self.down, self.is_power_cut = down, is_power_cut
