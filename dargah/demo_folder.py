"""Where the demo keeps its things: apart from a real gateway's, so that it can never mix them."""

from pathlib import Path

from dargah.running import running_on


def demo_folder(data_folder: Path) -> Path:
    """The demo's own data folder."""
    return data_folder / "demo"


def beside(data_folder: Path) -> str:
    """What to add to a complaint of an empty data folder while a demo runs: where its data are."""
    folder = demo_folder(data_folder)
    return f"; the running demo's are in DARGAH_DATA={folder}" if running_on(folder) else ""
