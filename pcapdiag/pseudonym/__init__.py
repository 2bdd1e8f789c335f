"""Names -> other names of the same length, always the same for the same key.

What a report or a slice must not tell (local parts of mail addresses; at level ``all`` IP addresses and host names,
too) is replaced by pseudonyms: equal names get equal pseudonyms, different names almost always different ones, and
nobody without the key can go back or try out names. Octets keep their number, so that sizes and sequence numbers stay
true.

names       a local part, a mail address, a host name, an IP address, each by itself -> its pseudonym
spelling    a local part as it was written   -> as it is meant, and the names inside it
addresses   IP addresses                     -> others that share their first bits as these did
masker      free text                        -> the same without the names of the session
commands    arguments of commands            -> the same, by the place where a name stands
encoded     base64 in free text              -> what it says
"""

from __future__ import annotations

from pcapdiag.pseudonym.level import Level
from pcapdiag.pseudonym.masker import Masker
from pcapdiag.pseudonym.names import KEY_OCTETS, Pseudonyms, new_key

__all__ = ["KEY_OCTETS", "Level", "Masker", "Pseudonyms", "new_key"]
