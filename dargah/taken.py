"""A port that cannot be had: why, and what to do about it, in one sentence."""

import errno

from twisted.internet.error import CannotListenError


def cannot_listen(key: str, host: str, port: int, error: CannotListenError) -> str:
    """The sentence, without its full stop; `key` is the setting, such as "http.port"."""
    system = error.socketError
    reason = getattr(system, "strerror", None) or "it cannot be opened"
    remedy = f"set another {key}, or stop what listens there"
    match getattr(system, "errno", None):
        case errno.EACCES:
            remedy = f"set a {key} above 1023, or let the gateway have this one"
        case errno.EADDRNOTAVAIL:
            remedy = f"set {key.rpartition('.')[0]}.host to an address of this machine"
    return f"{key}: cannot listen on {host} port {port}: {reason}; {remedy}"
