"""An export that is older than what answers is loaded, and said to be."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.gateway_process import dargah, environment_of
from tests.loading import covered, csv_of


def test_an_older_export_is_told(tmp_path: Path) -> None:
    """Who loads an export older than the one in service, or goes back to one too old to be told
    of, is told so."""
    settings, file = tmp_path / "settings.toml", tmp_path / "people.csv"
    settings.write_text("", encoding="utf-8")
    file.write_text(csv_of(covered(3)), encoding="utf-8")
    environment = environment_of(tmp_path / "data", settings)
    now = datetime.now(UTC)

    def load(days: float) -> str:
        as_of = (now - timedelta(days=days)).isoformat()
        done = dargah("load", "--as-of", as_of, str(file), environment=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "older than" not in load(3)
    assert "older than generation 1, which answered until now as of" in load(29)
    assert "older than" not in load(2)
    back = dargah("rollback", environment=environment).stdout
    assert "Generation 2 answers again" in back
    assert "CANNOT_CHECK" not in back
    assert dargah("rollback", environment=environment).returncode == 0
    settings.write_text("[eligibility]\nusable_for = 14\n", encoding="utf-8")
    back = dargah("rollback", environment=environment).stdout
    assert "more than 14 days ago (eligibility.usable_for)" in back
    assert "CANNOT_CHECK" in back
