"""
To go on where a session was cut off.

    a screen is shown ─▶ kept beside the session, in the same step
    its end, or its first menu again ─▶ dropped
    the person dials anew ─▶ offered, where there was something to go on with

A phone holds one dialogue, so whoever dials has lost the one before, however it was lost: no
network need tell (docs/adr/0009). Kept is the session itself, under the asker's keyed hash. It
never holds an ID: a question that is resumed is asked again.
"""

from dialogue.resume import offer, worth_resuming
from dialogue.steps import Show
from dialogue.version import Version, Versions
from state.errors import ReplyError, Unavailable
from state.keyed_hash import KeyedHash
from state.sessions import LARGEST_BLOB, Beside, SessionStore
from telecom.channel import Channel
from telecom.msisdn import Msisdn
from telecom.screen import Limit
from ussd.sessions import Session, decode, encode

MOST_OCTETS = LARGEST_BLOB // 2
"""A session that offers another one holds both."""


class Resuming:
    """What was cut off, by person. `seconds` for which it is kept; 0: never offered."""

    def __init__(
        self,
        sessions: SessionStore,
        versions: Versions[Version],
        hashes: KeyedHash,
        seconds: float,
    ) -> None:
        self._sessions = sessions
        self._versions = versions
        self._hashes = hashes
        self._seconds = seconds

    def serves(self, msisdn: Msisdn) -> bool:
        """Whether a number is one person's: many may stand behind a landline."""
        return self._seconds > 0 and msisdn.is_mobile

    def keeping(self, msisdn: Msisdn, session: Session, version: Version) -> Beside | None:
        """What to write beside a session, for a number that is served; None: leave what is there.

        A dialogue that has said nothing but its first menu leaves what another one left.
        """
        if session.offer is not None:
            return None
        key = self._key(msisdn)
        worth = session.entry and worth_resuming(version.tree, session.state.screen)
        if session.over or not worth:
            return Beside(key) if session.state.turns else None
        blob = encode(session)
        return Beside(key, blob, self._seconds) if len(blob) <= MOST_OCTETS else None

    def forgetting(self, msisdn: Msisdn) -> Beside:
        """Drop what is kept: the person begins anew."""
        return Beside(self._key(msisdn))

    async def offered(
        self, msisdn: Msisdn, entry: str, limit: Limit
    ) -> tuple[Session, Version, Show] | None:
        """What was cut off behind this service code, its version, and the screen that offers it.

        None where there is nothing, or it cannot be had now, or its version is not known any
        more, or its pages do not fit what this gateway can show.
        """
        if not self.serves(msisdn):
            return None
        try:
            blob = await self._sessions.beside(self._key(msisdn))
            kept = decode(blob) if blob is not None else None
            if kept is None or kept.entry != entry:
                return None
            version = await self._versions.of(kept.state.tree)
        except (Unavailable, ReplyError):
            return None
        if version is None or not all(limit.fits(page) for page in kept.pages):
            return None
        state = kept.state
        tree = version.tree.on(Channel.USSD)
        show = offer(tree, version.phrases, entry, state.screen, state.language)
        return (kept, version, show) if show is not None else None

    def _key(self, msisdn: Msisdn) -> str:
        return f"{person_key(self._hashes, msisdn)}:resume"


def person_key(hashes: KeyedHash, msisdn: Msisdn) -> str:
    """How the keys of one person's sessions begin: they share a hash slot."""
    return f"ussd:{{{hashes.of('asker', msisdn.digits)}}}"
