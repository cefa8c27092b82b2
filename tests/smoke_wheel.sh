#!/usr/bin/env bash
# Build the wheel, install it in a fresh environment outside the checkout, and use it there.
# An editable install finds every file of the checkout; only this shows what the wheel forgot.
# To try one more command: add a line at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$PWD/.venv/bin/python
libraries=$("$python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')

away=$(mktemp -d "${TMPDIR:-/tmp}/dargah-wheel.XXXXXX")
trap 'rm -rf "$away"' EXIT

fail() {
    printf 'wheel: %s\n' "$*" >&2
    exit 1
}

"$python" -m build --wheel --no-isolation --outdir "$away" . >"$away/build.log" 2>&1 ||
    { cat "$away/build.log" >&2; fail "could not be built"; }
wheel=$(echo "$away"/*.whl)

# Every file of every package is in it, and nothing from beside them.
"$python" - "$wheel" <<'PYTHON'
import sys
import tomllib
import zipfile
from pathlib import Path

names = zipfile.ZipFile(sys.argv[1]).namelist()
inside = {name for name in names if ".dist-info/" not in name}
project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
expected = {
    path.as_posix()
    for package in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    for path in Path(package).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
}
for name in sorted(expected - inside):
    print(f"wheel: {name} is missing", file=sys.stderr)
for name in sorted(inside - expected):
    print(f"wheel: {name} does not belong in it", file=sys.stderr)
if not any(name.endswith("/licenses/LICENSE") for name in names):
    sys.exit("wheel: LICENSE is missing")
sys.exit(expected != inside)
PYTHON

# The libraries are those of .venv: a path file shows them, but follows no editable install.
"$python" -m venv --without-pip "$away/venv"
"$python" -m pip --quiet --disable-pip-version-check --python "$away/venv/bin/python" \
    install --no-deps --no-index --no-compile "$wheel"
site=$("$away/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "$libraries" >"$site/libraries.pth"

mkdir "$away/work" "$away/home"
cd "$away/work"
# A clean environment: no variable of the caller's shell makes it work by chance.
in_wheel() {
    env -i PATH="$away/venv/bin:$PATH" HOME="$away/home" \
        PYTHONSAFEPATH=1 DARGAH_DATA="$away/data" "$@"
}
must() {
    in_wheel "$@" >"$away/out" 2>&1 || { cat "$away/out" >&2; fail "$* failed"; }
}

must python -c "
import dargah, importlib.util, pathlib, sys
assert pathlib.Path(dargah.__file__).is_relative_to(sys.prefix), dargah.__file__
assert importlib.util.find_spec('tests') is None, 'tests are importable'
"
must dargah --help
must dargah check
must dargah dialogue graph
must dargah bench dialogue --seconds 0.01
must dargah carrier --help
must dargah dialogue publish --by wheel
must dargah dialogue back
must dargah text --help
must dargah call --help
must dargah population 1000 people.csv --seed 1
must dargah load people.csv

# IDs are read from standard input, so that no process title ever holds one.
python_first_id='
import csv
with open("people.csv", encoding="utf-8-sig", newline="") as file:
    print(next(csv.DictReader(file))["national_id"])
'
in_wheel python -c "$python_first_id" >id
must dargah lookup --json - <id
grep -qE '"outcome": ?"(COVERED|NOT_COVERED|PENDING_PAYMENT)"' "$away/out" ||
    { cat "$away/out" >&2; fail "a person of the population was not found"; }

# The private Redis works inside the data folder, and ends with the command that started it.
cd /
left=$(find /proc/[0-9]*/cwd -maxdepth 0 -lname "$away*" 2>/dev/null || true)
[ -z "$left" ] || fail "a process was left running: $left"

echo "wheel: $(basename "$wheel") installs and answers away from the checkout"
