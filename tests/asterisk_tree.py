"""
An Asterisk that need not be installed: the package and its closure, unpacked into a folder.

Debian 12 and 13 carry no Asterisk; `testing` does, and Ubuntu has its own. apt is run with
its state, cache and sources in a private folder, against the mirror and key that the system's
own sources name, so nothing on the machine changes and no root is needed. The tree is run by
its own loader and C library (see asterisk_pair.py).

The tree is kept in the user's cache folder, one folder for each version, and fetched once.
"""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FETCH_SECONDS = 300.0
"""All of it, a slow mirror included. Half a minute is usual."""

_LEFT_OUT = (
    "./usr/share/doc*",
    "./usr/share/man*",
    "./usr/share/locale*",
    "./usr/share/perl*",
    "./usr/lib/*/perl*",
    "./usr/share/zoneinfo*",
    "./usr/share/lintian*",
    "./usr/lib/systemd*",
    "./var/lib/*/info*",
)


class NoAsterisk(Exception):
    """Asterisk cannot be had here; the text is one sentence that says why."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where packages come from: one line for apt's sources."""

    mirror: str
    suite: str
    components: str
    key: str


def cache_folder() -> Path:
    """The user's cache folder; the project's own var/ where there is no home."""
    if named := os.environ.get("XDG_CACHE_HOME"):
        return Path(named) / "dargah"
    home = os.environ.get("HOME")
    if home and os.access(home, os.W_OK):
        return Path(home) / ".cache" / "dargah"
    return Path(__file__).resolve().parent.parent / "var" / "cache"


def asterisk_tree() -> Path:
    """The unpacked tree, fetched if this user has none yet. Raises NoAsterisk."""
    folder = cache_folder() / "asterisk"
    folder.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + FETCH_SECONDS
    with _lock(folder / "lock", deadline):
        if kept := _newest(folder):
            return kept
        missing = [tool for tool in ("apt-get", "apt-cache", "dpkg-deb") if not shutil.which(tool)]
        if missing:
            raise NoAsterisk(f"{missing[0]} is not on this machine")
        with tempfile.TemporaryDirectory(dir=folder, prefix="fetch-") as work:
            return _fetch(folder, Path(work), deadline)


def _newest(folder: Path) -> Path | None:
    complete = [tree.parent for tree in folder.glob("*/complete")]
    return max(complete, key=lambda tree: tree.stat().st_mtime, default=None)


@contextlib.contextmanager
def _lock(path: Path, deadline: float) -> Iterator[None]:
    """Held while fetching, so that two runs at once fetch once."""
    with path.open("w") as held:
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise NoAsterisk("another run has been fetching it for too long") from None
                time.sleep(0.2)  # flock has no time limit of its own
        yield


def system_source(etc: Path = Path("/etc")) -> Source:
    """What the system's own sources say, with the suite that carries Asterisk."""
    release = dict(
        line.split("=", 1) for line in _text(etc / "os-release").splitlines() if "=" in line
    )
    name = release.get("ID", "").strip('"')
    if name not in ("debian", "ubuntu"):
        raise NoAsterisk("neither Debian nor Ubuntu, so there is no package to fetch")
    key = f"/usr/share/keyrings/{name}-archive-keyring.gpg"
    suite = "testing" if name == "debian" else release.get("VERSION_CODENAME", "").strip('"')
    components = "main" if name == "debian" else "main universe"
    listed = _text(etc / f"apt/sources.list.d/{name}.sources")
    if mirror := re.search(r"^URIs:\s*(\S+)", listed, re.MULTILINE):
        if named := re.search(r"^Signed-By:\s*(/\S+)", listed, re.MULTILINE):
            key = named[1]
    else:
        old = _text(etc / "apt/sources.list")
        mirror = re.search(r"^deb\s+(?:\[[^]]*\]\s+)?(\S+)", old, re.MULTILINE)
    if mirror is None:
        raise NoAsterisk("the system's apt sources name no mirror")
    return Source(mirror[1], suite, components, key)


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


def _fetch(folder: Path, work: Path, deadline: float) -> Path:
    environment = os.environ | {"APT_CONFIG": str(_private_apt(work, system_source(), deadline))}
    _run(["apt-get", "-q", "update"], environment, deadline)
    policy = _run(["apt-cache", "policy", "asterisk"], environment, deadline)
    candidate = re.search(r"Candidate: (\S+)", policy)
    if candidate is None or candidate[1] == "none":
        raise NoAsterisk("the mirror has no package named asterisk")
    _run(["apt-get", "-q", "-y", "--download-only", "install", "asterisk"], environment, deadline)
    tree = work / "tree"
    tree.mkdir()
    for package in sorted((work / "cache" / "archives").glob("*.deb")):
        _unpack(package, tree, deadline)
    if not (tree / "usr/sbin/asterisk").is_file():
        raise NoAsterisk("the package came without its program")
    (tree / "complete").touch()
    architecture = _run(["dpkg", "--print-architecture"], dict(os.environ), deadline).strip()
    kept = folder / re.sub(r"[^\w.-]", "_", f"{candidate[1]}-{architecture}")
    tree.rename(kept)
    return kept


def _private_apt(work: Path, source: Source, deadline: float) -> Path:
    for part in ("state/lists/partial", "cache/archives/partial"):
        (work / part).mkdir(parents=True)
    (work / "status").touch()
    (work / "sources.list").write_text(
        f"deb [signed-by={source.key}] {source.mirror} {source.suite} {source.components}\n"
    )
    # A proxy that the machine needs is kept; its hooks are not, they may call for root.
    dump = _run(["apt-config", "dump"], dict(os.environ), deadline)
    acquire = [line for line in dump.splitlines() if line.startswith("Acquire::")]
    configuration = work / "apt.conf"
    configuration.write_text(
        "\n".join(
            [
                *acquire,
                f'Dir::State "{work}/state";',
                f'Dir::State::status "{work}/status";',
                f'Dir::Cache "{work}/cache";',
                f'Dir::Etc::sourcelist "{work}/sources.list";',
                'Dir::Etc::sourceparts "/dev/null";',
                'Dir::Etc::parts "/dev/null";',
                'Dir::Etc::main "/dev/null";',
                'Dir::Etc::preferences "/dev/null";',
                'Dir::Etc::preferencesparts "/dev/null";',
                'APT::Install-Recommends "0";',
                'APT::Sandbox::User "";',
                'Acquire::Languages "none";',
                'Acquire::Retries "2";',
                'Acquire::http::Timeout "20";',
                "",
            ]
        )
    )
    return configuration


def _unpack(package: Path, tree: Path, deadline: float) -> None:
    excluded = [f"--exclude={pattern}" for pattern in _LEFT_OUT]
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE
    ) as files:
        subprocess.run(
            ["tar", "-x", "--no-same-owner", "-C", str(tree), *excluded],
            stdin=files.stdout,
            check=True,
            timeout=max(1.0, deadline - time.monotonic()),
        )


def _run(command: list[str], environment: dict[str, str], deadline: float) -> str:
    try:
        done = subprocess.run(
            command,
            env=environment | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=max(1.0, deadline - time.monotonic()),
        )
    except subprocess.TimeoutExpired:
        raise NoAsterisk(f"{command[0]} took too long") from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise NoAsterisk(f"{command[0]} failed: {said}")
    return done.stdout
