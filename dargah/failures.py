"""What a command cannot do, for the person who typed it."""


class Failure(Exception):
    """One clear sentence: what, where, and what to do. Printed without a traceback, exit 1."""
