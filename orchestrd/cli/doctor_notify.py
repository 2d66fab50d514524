"""Whether somebody would be told that a plan asks something. Nothing is sent: `orchestrd notify-test` does that."""

from __future__ import annotations

from handoff.root import Root
from orchestrd.cli.calling import Call
from orchestrd.cli.finding import Finding
from orchestrd.cli.notify_test import NOBODY, REMEDY, channels_in_force
from orchestrd.views.words import plain


def examine_notify(call: Call) -> Finding:
    """Say by which ways somebody would be told."""
    # The root may not be there yet.
    channels = channels_in_force(call, Root(call.root_path))
    if not channels:
        return Finding("note", "notify", NOBODY, REMEDY)
    told = "; ".join(f"{channel.name}: {plain(channel.where)}" for channel in channels)
    return Finding("ok", "notify", f"{told} (`orchestrd notify-test` tries it)")
