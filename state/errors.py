"""Whose fault it is when Redis does not give an answer."""


class Unavailable(Exception):
    """Redis cannot answer now: unreachable, too slow, loading or failing over. Try later."""


class ReplyError(Exception):
    """Redis refused the command: our mistake, or a server that is set up wrongly."""
