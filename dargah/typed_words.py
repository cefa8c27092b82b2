"""Words of a command line, which may be octets that no text is made of."""

from dargah.failures import Failure


def readable(word: str, name: str) -> str:
    """The word, if it is text. Raises Failure, which holds its name alone."""
    try:
        word.encode("utf-8")
    except UnicodeEncodeError:
        raise Failure(f"{name} is no text in UTF-8; type it again.") from None
    return word
