from pathlib import Path

import pytest

from tests.asterisk_tree import NoAsterisk, Source, system_source

DEBIAN = 'ID=debian\nVERSION_CODENAME=bookworm\nPRETTY_NAME="Debian"\n'
UBUNTU = "ID=ubuntu\nVERSION_CODENAME=noble\n"
KEY = "/usr/share/keyrings/debian-archive-keyring.gpg"


def etc(folder: Path, release: str, sources: str = "") -> Path:
    """An /etc with what a system says of itself and of its mirrors."""
    (folder / "apt" / "sources.list.d").mkdir(parents=True)
    (folder / "os-release").write_text(release)
    (folder / "apt" / "sources.list").write_text(sources)
    return folder


def test_debian(tmp_path: Path) -> None:
    """On Debian the system's own mirror and key are used, with the suite that has Asterisk."""
    listed = "Types: deb\n# note\nURIs: http://mirror.example/debian\nSigned-By: /k.gpg\n"
    folder = etc(tmp_path, DEBIAN)
    (folder / "apt" / "sources.list.d" / "debian.sources").write_text(listed)
    assert system_source(folder) == Source(
        "http://mirror.example/debian", "testing", "main", "/k.gpg"
    )


def test_an_older_list(tmp_path: Path) -> None:
    """Where sources are in the old one-line form, the first of them is used."""
    folder = etc(tmp_path, DEBIAN, "# x\ndeb [arch=amd64] http://m.example/d x main\n")
    assert system_source(folder) == Source("http://m.example/d", "testing", "main", KEY)


def test_ubuntu(tmp_path: Path) -> None:
    """Ubuntu's own package is used, from its own release."""
    folder = etc(tmp_path, UBUNTU, "deb http://m.example/u noble main\n")
    source = system_source(folder)
    assert (source.suite, source.components) == ("noble", "main universe")
    assert "ubuntu" in source.key


@pytest.mark.parametrize("release", ["ID=fedora\n", "", DEBIAN])
def test_no_mirror(tmp_path: Path, release: str) -> None:
    """Elsewhere, or without a mirror, it is said in one sentence that Asterisk cannot be had."""
    with pytest.raises(NoAsterisk):
        system_source(etc(tmp_path, release))
