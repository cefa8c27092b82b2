"""Whose fault it is when Redis does not give an answer."""


class Unavailable(Exception):
    """Redis cannot answer now: unreachable, too slow, loading or failing over. Try later."""


class ReplyError(Exception):
    """Redis refused the command: our mistake, or a server that is set up wrongly.

    The text begins with Redis's own code, such as MISCONF.
    """

    @property
    def code(self) -> str:
        """Redis's word for the reason; ERR where it has none."""
        return str(self).partition(" ")[0]

    @property
    def remedy(self) -> str:
        """What it means and what to do, in one sentence without its full stop."""
        return f"{_REMEDIES.get(self.code, _OTHER)} ({self})"


_REMEDIES = {
    "MISCONF": "Redis cannot write to its disk and takes nothing more: is the disk full? Make room "
    "there and try again",
    "OOM": "Redis is at its memory limit: raise its maxmemory, or free some of it, and try again",
    "NOAUTH": "Redis asks for a password: give one in the URL of [redis]",
    "NOPERM": "Redis does not let this user do it: give the user the commands and keys, by ACL",
    "MOVED": "this Redis is a node of a Cluster: give its URL as redis+cluster:// in [redis]",
}
_OTHER = "Redis refused what was asked of it: is it Redis 6.0 or newer? Its log may say more"
