"""What the words of a result mean, in a sentence for a person, with what to do."""

from __future__ import annotations

REASONS = {
    "invalid": "The plan is not valid. Correct what is listed and hand it in again; its key is still free.",
    "bad-file": "The file could not be read as a plan. Write it as a plain file of your own and hand it in again.",
    "unsupported": "The plan asks for something that this version does not do yet.",
    "policy": "The plan asks for something that is not allowed here.",
    "auth": "Claude Code could not log in. Log in with `claude` (`orchestrd doctor` tells who is billed), then retry.",
    "billing": "The account could not be billed. Look at its balance or payment, then retry.",
    "usage-limit": "The account's usage limit was reached. Retry when it is over.",
    "api": "The API could not be reached or was overloaded, and several attempts did not help. Retry later.",
    "timeout": "It took longer than its `limits.timeout` allows.",
    "silence": "Claude Code said nothing for longer than is allowed, and was stopped.",
    "budget": "It cost as much as its `limits.max_usd` allows.",
    "memory": "Its processes used more memory than is allowed.",
    "max-turns": "It took as many turns as its `limits.max_turns` allows.",
    "max-tokens": "An answer of the model was longer than is possible.",
    "refusal": "The model refused.",
    "permission": "It was not allowed to do what it needed. See the tools that were denied, and `permissions.allow`.",
    "schema": "What it answered does not have the form that was asked for.",
    "bad-launch": "Claude Code ended before it said anything. See its `stderr.log`, and `orchestrd doctor`.",
    "no-output": "Claude Code ended without a result.",
    "interrupted": "It was killed by something else, or the machine went down.",
    "command-failed": "A command ended with an error.",
    "workspace": "The checkout could not be made, or what was left in it could not be gathered.",
    "no-changes": "It was to change something and did not.",
    "check-failed": "What it left does not hold against what was asked for.",
    "conflict": "Its changes conflict with others.",
    "dependency": "A plan that it was to come after did not succeed.",
    "unanswered": "Nobody answered in time.",
    "no-space": "The disk is full.",
    "cancelled": "Somebody cancelled it.",
    "expired": "It was not started before it expired.",
    "duplicate": "A plan with its key was accepted before; that one's result is the answer.",
}

VERDICTS = {
    "changed": "the project was changed",
    "no-change-needed": "nothing was changed, and nothing had to be",
    "unverified": "no evidence shows what it did",
}

STEP_VERDICTS = {
    "changed": "it changed the project",
    "no-change-needed": "it changed nothing",
    "unverified": "what it did is not known",
}

PAYERS = {
    "subscription": "paid by the subscription",
    "api-key": "billed to the API key",
    "cloud": "billed to the cloud account",
    "nobody": "billed to nobody",
}

BILLED = {
    "subscription": "subscription",
    "api-key": "API key",
    "cloud": "cloud account",
    "nobody": "nobody",
}
"""The same in a word or two."""


def duration(seconds: float) -> str:
    """A span of time as people say it: `41 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def size(count: float) -> str:
    """A number of bytes as people say it."""
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 file`, `3 files`."""
    return f"{count} {one if count == 1 else many or one + 's'}"
