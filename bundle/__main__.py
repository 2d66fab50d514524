"""Make the extension: its files are put together, then checked and packed by the official tool."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from bundle.manifest import ENTRY_POINT, dependencies, manifest
from bundle.offered import ask

PROJECT = Path(__file__).resolve().parent.parent
PACKER = PROJECT / "tests" / "node" / "node_modules" / ".bin" / "mcpb"
BUNDLE = PROJECT / "dist" / "orchestrd.mcpb"


def put_together(folder: Path) -> None:
    """Put everything that the extension consists of into an empty folder."""
    project: dict[str, Any] = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    _run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder))
    (wheel,) = folder.glob("*.whl")
    with tempfile.TemporaryDirectory() as root:
        offered = ask(Path(root))
    written = json.dumps(manifest(project, offered), indent=2, ensure_ascii=False)
    (folder / "manifest.json").write_text(written + "\n", "utf-8")
    (folder / "pyproject.toml").write_text(dependencies(project, wheel.name), "utf-8")
    for name in (ENTRY_POINT, "README.md"):
        shutil.copy(PROJECT / "bundle" / name, folder)
    shutil.copy(PROJECT / "LICENSE", folder)


def pack(folder: Path, bundle: Path) -> None:
    """Check the manifest and pack the folder by the official tool."""
    _run(str(PACKER), "validate", str(folder / "manifest.json"))
    bundle.parent.mkdir(parents=True, exist_ok=True)
    _run(str(PACKER), "pack", str(folder), str(bundle))


def main() -> int:
    """Make `dist/orchestrd.mcpb`, or the file that is named."""
    bundle = Path(sys.argv[1]) if len(sys.argv) > 1 else BUNDLE
    if not PACKER.exists():
        print("bundle: the official tool is not installed: make node-tools (needs npm)", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        put_together(Path(folder))
        pack(Path(folder), bundle)
    print(f"{bundle}: {bundle.stat().st_size / 1024:.0f} KiB; open it with Claude Desktop")
    return 0


def _run(*command: str) -> None:
    done = subprocess.run(
        command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"bundle: {' '.join(command)} failed:\n{done.stdout}")


if __name__ == "__main__":
    sys.exit(main())
