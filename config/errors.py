"""Mistakes in what operators write."""


class ConfigError(ValueError):
    """One clear sentence: what is wrong, in which file and line, and what to do."""
