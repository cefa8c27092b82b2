"""A number with the words that agree with it."""


def counted(number: int, one: str, many: str) -> str:
    """ "1 answer is", "20,000 answers are"."""
    return f"{number:,} {one if number == 1 else many}"
