"""`python -m orchestrd.rehearsal`: serve the scripted model by hand until interrupted."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from orchestrd.rehearsal import Rehearsal, Script, ScriptError, load_script


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM. Exit code 2: the script or the port can't be used."""
    options = _options(arguments)
    stop = {signal.SIGINT, signal.SIGTERM}
    # Before the first thread is started, so that every thread inherits it and the signal waits for sigwait.
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    try:
        script = load_script(options.script) if options.script else Script()
        model = Rehearsal(script, record=options.record, port=options.port)
    except (ScriptError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    with model:
        _tell(model, options.port_file, token=options.token)
        signal.sigwait(stop)
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m orchestrd.rehearsal",
        description="A scripted model on loopback: Claude Code talks to it as to the real one, at no cost.",
    )
    parser.add_argument("--script", type=Path, help="TOML or JSON; left out: the model improvises")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    parser.add_argument("--port-file", type=Path, help="a file that gets the port once it serves")
    parser.add_argument("--record", type=Path, help="a file that gets every request as a JSON line")
    parser.add_argument("--token", action="store_true", help="print an OAuth token instead of an API key")
    return parser.parse_args(arguments)


def _tell(model: Rehearsal, port_file: Path | None, *, token: bool) -> None:
    if port_file is not None:
        temporary = port_file.with_name(f".{port_file.name}.tmp")
        temporary.write_text(f"{model.port}\n", encoding="utf-8")
        temporary.replace(port_file)
    lines = [f"# The rehearsal model listens at {model.url}. In another terminal:"]
    wanted = ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN")
    lines += [
        f"export {name}={value}" for name, value in model.environment(token=token).items() if name in wanted
    ]
    sys.stdout.write("\n".join([*lines, ""]))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
