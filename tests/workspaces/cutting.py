"""A process that dies in the middle of what it does to the disk."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from handoff import durable


class Cut(BaseException):
    """As a crash is: nothing is tidied up."""


def dying(patch: pytest.MonkeyPatch, step: int) -> None:
    """Have the process die at the given effect on the disk."""
    left = step

    def mortal(effect: Callable[..., object]) -> Callable[..., object]:
        def die_or_do(*words: object, **more: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                raise Cut
            return effect(*words, **more)

        return die_or_do

    for word in ("open", "write", "rename", "rename_new", "mkdir", "unlink", "rmdir"):
        patch.setattr(durable.effects, word, mortal(getattr(durable.effects, word)))
