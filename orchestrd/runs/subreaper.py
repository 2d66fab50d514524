"""Making a runner the one to whom orphans fall, at a tenth of what ctypes costs.

`import ctypes` is 6 ms of CPU, more than all else that a runner loads together. Its C half alone, which is in every
CPython, is 0.7 ms. Where that will not do, ctypes does it. Standard library only.
"""

from __future__ import annotations

from handoff import platform

_PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> bool:
    """Make orphans below this process its children; False where the system cannot."""
    if not platform.PLATFORM.subreaper:
        return False
    return _quickly() or platform.become_subreaper()


def _quickly() -> bool:
    try:
        import _ctypes

        whole_program = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]  # None is what ctypes itself gives
        address = _ctypes.dlsym(whole_program, "prctl")
        return bool(_ctypes.call_function(address, (_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) == 0)
    except (ImportError, AttributeError, OSError):
        return False
