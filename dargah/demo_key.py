"""The demo's API key: a new one at every start, in a file of the demo's folder."""

import os
import secrets
from pathlib import Path

from api.keys import SCOPES, ApiKeys
from dargah.wiring import clock

NAME = "dargah demo"
FILE = "api-key"


async def demo_key(keys: ApiKeys, folder: Path) -> str:
    """Revoke the demo's earlier keys, make one, keep it in FILE for `curl`. The key."""
    for key in await keys.list():
        if key.name == NAME and key.revoked is None:
            await keys.revoke(key.id, clock())
    whole = await keys.create(NAME, SCOPES, secrets.token_bytes, clock())
    path = folder / FILE
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(whole + "\n")
    return whole
