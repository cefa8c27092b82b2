"""Who does something, as it is kept with what was done."""

import getpass

from dargah.failures import Failure
from dialogue.published import LONGEST_NAME


def operator_name(given: str | None) -> str:
    """The name given, else the login name. Raises Failure for what is no name."""
    if given is None:
        try:
            given = getpass.getuser()
        except (OSError, KeyError, ImportError):
            raise Failure("who are you? Say it with --by NAME.") from None
    name = given.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise Failure(f"--by takes a name of at most {LONGEST_NAME} characters.")
    return name
