"""`orchestrd notify-test`: whether somebody would be told that a plan asks something, tried out at once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

from orchestrd.cli.calling import Call, Complaint, note
from orchestrd.views.words import plain

if TYPE_CHECKING:
    from handoff.root import Root
    from orchestrd.outbound.channels import Channel
    from orchestrd.outbound.news import News

NOBODY = "nobody is told that a plan asks something; `orchestrd requests` lists what waits"
REMEDY = "[notify] in the configuration names a command or a webhook; on a desktop: pip install 'orchestrd[desktop]'"


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(notify_test)


def notify_test(context: typer.Context) -> None:
    """Tell a test by each way that [notify] names."""
    from orchestrd.outbound.channels import ChannelFailed

    call: Call = context.obj
    root = call.root
    channels = channels_in_force(call, root)
    if not channels:
        raise Complaint(f"{NOBODY}; {REMEDY}", 1)
    failed = 0
    for channel in channels:
        try:
            channel.tell([_news(root)])
        except ChannelFailed as error:
            failed += 1
            print(f"{plain(error.message)} — {plain(error.remedy)}")
        else:
            print(f"{channel.name}: told ({plain(channel.where)})")
    note("tried with the environment of this shell; the daemon's may be another")
    if failed:
        raise typer.Exit(1)


def channels_in_force(call: Call, root: Root) -> list[Channel]:
    """Return the ways that the settings name, as far as they can be gone from here."""
    from orchestrd.outbound.channels import channels_of

    return channels_of(root, call.config.notify, os.environ, call.config.secrets.names)


def _news(root: Root) -> News:
    from orchestrd.outbound.news import News

    return News(
        id="requests/orchestrd-notify-test",
        kind="test",
        plan="notify-test",
        title="A test",
        text="A test: this is how you are told that a plan asks something",
        detail="",
        path=root.requests,
        fields={"request": ""},
        private={},
    )
