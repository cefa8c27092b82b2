"""Where the demo keeps its things: apart from a real gateway's, so that it can never mix them."""

from pathlib import Path


def demo_folder(data_folder: Path) -> Path:
    """The demo's own data folder."""
    return data_folder / "demo"
