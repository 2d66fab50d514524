"""Loaded by a daemon's Python at its start (PYTHONPATH): makes single effects on the file system fail.

FAULTS holds rules, `operation|part of path or content|errno or "kill"|how often`, separated by `;;`. They hold while
the file that FAULTS_ARMED names is there; each fault that fired leaves a line in the file FAULTS_LOG, so that a test
can tell that its fault was one.
"""

import os
import signal

RULES = [rule.split("|") for rule in os.environ.get("FAULTS", "").split(";;") if rule]
LEFT = {number: int(rule[3]) for number, rule in enumerate(RULES)}


def strike(operation: str, what: bytes) -> None:
    for number, (of, part, fault, _) in enumerate(RULES):
        if of != operation or part.encode() not in what or not LEFT[number]:
            continue
        if not os.path.exists(os.environ["FAULTS_ARMED"]):
            continue
        LEFT[number] -= 1
        with open(os.environ["FAULTS_LOG"], "a") as log:
            log.write(f"{operation} {what[:120]!r} {fault}\n")
        if fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(int(fault), os.strerror(int(fault)))


def name_of(descriptor: int) -> bytes:
    return os.fsencode(os.readlink(f"/proc/self/fd/{descriptor}"))


if RULES:
    from handoff.effects import Effects

    LOOKS = {
        "open": lambda args: os.fsencode(args[0]),
        "sync_dir": lambda args: os.fsencode(args[0]),
        "unlink": lambda args: os.fsencode(args[0]),
        "mkdir": lambda args: os.fsencode(args[0]),
        "rename": lambda args: os.fsencode(args[1]),
        "rename_new": lambda args: os.fsencode(args[1]),
        "write": lambda args: name_of(args[0]) + b" " + bytes(args[1]),
        "fsync": lambda args: name_of(args[0]),
    }

    def wrapped(operation, original):
        def act(self, *args, **options):
            strike(operation, LOOKS[operation](args))
            return original(self, *args, **options)

        return act

    for operation in LOOKS:
        setattr(Effects, operation, wrapped(operation, getattr(Effects, operation)))
