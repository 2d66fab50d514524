"""Setting up: the root, the configuration, trust in projects, the service, what is missing on this machine, schemas."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from orchestrd.cli.calling import Call, Complaint, note, show_json
from orchestrd.cli.desktop import desktop_app
from orchestrd.cli.usage import App
from orchestrd.views.words import plain, table

AsJson = Annotated[bool, typer.Option("--json", help="JSON, for programs.")]

service_app = App(
    name="service",
    help="Have the daemon run as your own service.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (init, config, trust, untrust, doctor, schema):
        app.command()(command)
    app.add_typer(service_app)
    app.add_typer(desktop_app)


def init(context: typer.Context) -> None:
    """Make the handoff root, or complete one."""
    from handoff.root import create_root

    path = context.obj.root_path
    was_there = (path / ".orchestrd").is_dir()
    root = create_root(path)
    print(f"{root.path}: {'is in order' if was_there else 'made'}")
    if not was_there:
        print("next: orchestrd serve (in a terminal), or orchestrd service install (for good)")


def config(
    context: typer.Context,
    as_json: AsJson = False,
    template: Annotated[
        bool, typer.Option("--default", help="Print the documented default file instead.")
    ] = False,
) -> None:
    """Show the settings and where each came from."""
    from orchestrd.config import config_file, default_text, origins

    if template:
        print(default_text(), end="")
        return
    settings = origins(context.obj.config)
    if as_json:
        show_json({one.path: {"value": one.value, "origin": one.origin} for one in settings})
        return
    file = config_file()
    print(f"file: {file}{'' if file.exists() else ' (there is none; write one: orchestrd config --default)'}")
    print(
        table([(one.path, _shown(one.written), one.origin) for one in settings], ("SETTING", "VALUE", "FROM"))
    )


def trust(
    project: Annotated[
        Path | None, typer.Argument(help="A project; none: the list.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Trust a project, or list the trusted ones. Its hooks, MCP servers and settings may then act in its runs."""
    from orchestrd.config import trust_file
    from orchestrd.runs.trust import trust_project, trusted_projects

    if project is None:
        projects = trusted_projects(trust_file())
        if as_json:
            show_json({"projects": projects})
        else:
            print("\n".join(plain(one) for one in projects) or "no project is trusted by orchestrd")
        return
    if not project.expanduser().is_dir():
        raise Complaint(f"{plain(project)}: no such directory")
    real = os.path.realpath(project.expanduser())
    new = trust_project(Path(real), trust_file())
    print(f"{plain(real)}: {'trusted from now on' if new else 'was trusted already'}")


def untrust(project: Annotated[Path, typer.Argument(help="A project.", show_default=False)]) -> None:
    """Trust a project no longer."""
    from orchestrd.config import trust_file
    from orchestrd.runs.trust import untrust_project

    gone = untrust_project(project.expanduser(), trust_file())
    print(f"{plain(project)}: {'no longer trusted' if gone else 'was not on the list'}")


def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """Say what is missing on this machine. Each line has its remedy; exit 1 when something is missing."""
    from orchestrd.cli.doctor import examine

    call: Call = context.obj
    findings = examine(call)
    if as_json:
        show_json(
            [{"what": one.what, "is": one.word, "found": one.found, "remedy": one.remedy} for one in findings]
        )
    else:
        for one in findings:
            remedy = f" — {one.remedy}" if one.remedy else ""
            print(f"{one.word:<8} {one.what:<16} {plain(one.found)}{plain(remedy)}")
    if any(one.word == "missing" for one in findings):
        raise typer.Exit(1)


def schema(
    document: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="plan, result, order, ...; none: the list.", show_default=False),
    ] = None,
) -> None:
    """Print the JSON Schema of a document."""
    import handoff

    folder = Path(handoff.__file__).parent / "schema"
    names = sorted(file.name.removesuffix(".schema.json") for file in folder.glob("*.schema.json"))
    if not document:
        print("\n".join(names))
    elif document in names:
        print((folder / f"{document}.schema.json").read_text("utf-8"), end="")
    else:
        raise Complaint(f"{plain(document)}: no such document; there are {', '.join(names)}")


@service_app.command("install")
def install_service(context: typer.Context) -> None:
    """Put the service in place, start it, and have it start with your session."""
    from orchestrd.service import service_manager
    from orchestrd.service.facts import find_facts, left_behind

    call: Call = context.obj
    manager = service_manager()
    facts = find_facts(call.config)
    for line in manager.install(facts):
        print(line)
    print(f"root: {facts.root}")
    print(f"Claude Code: {facts.environment['ORCHESTRD_CLAUDE']}")
    if manager.name == "systemd":
        from orchestrd.service.systemd import lingering

        print(lingering())
    for name in left_behind():
        note(
            f"{name} is set in this shell and is not taken along; docs/service.md says how the service gets it"
        )


@service_app.command("uninstall")
def uninstall_service() -> None:
    """Take the service away again; the root and all that is in it stay."""
    from orchestrd.service import service_manager

    for line in service_manager().uninstall():
        print(line)


@service_app.command("status")
def service_status() -> None:
    """Say whether the service runs. Exit 0 when it does, 3 when not."""
    from orchestrd.service import service_manager

    runs, lines = service_manager().status()
    print("\n".join(lines))
    if not runs:
        raise typer.Exit(3)


@service_app.command("logs")
def service_logs(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as more comes.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="The last so many lines.", min=0)] = 50,
) -> None:
    """Show the daemon's log."""
    from orchestrd.cli.daemon_log import tell_log

    for line in tell_log(context.obj.root_path, lines, follow=follow):
        print(line, flush=follow)


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, tuple):
        return ", ".join(str(one) for one in value) or "-"
    return str(value)
