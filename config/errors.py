"""Mistakes in what operators write."""


class ConfigError(ValueError):
    """One clear sentence: what is wrong, in which file and line, and what to do.

    `others` are further mistakes found in the same reading, for whoever prints them all.
    """

    def __init__(self, message: str, others: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.others = others
