"""PD102: an end inside TLS that has the lengths of an orderly one."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party, Side, Strength


@rule("PD102", "Ended by agreement, as far as the TLS records show", Party.NOBODY)
def encrypted_quit(see: Observation) -> Iterator[Claim]:
    """The encrypted session ended the way QUIT and 221 end one.

    What it sees:
        All of the following: the TLS handshake was finished; the last application record (alerts not counted) is the
        server's and follows one of the client; the client's last record is short enough for QUIT, alone or pipelined
        behind the end of data; the close follows within three seconds.

    What it means:
        Most probably an orderly end. Without keys the words cannot be read, so this is never more than likely.

    What else looks like this:
        A server that refuses a short command and closes at once. The exact length of QUIT under the usual ciphers makes
        the claim likely; another short length leaves it at possible. A close_notify that is missing or that meets a
        closed socket says nothing: many mail programs leave it out.

    What to do:
        If mail is missing, look at the log of either side, or capture with a key log (SSLKEYLOGFILE) to read the words.

    Sources:
        RFC 8446 sections 5.2 and 6.1; RFC 5288 section 3; record lengths of real sessions.
    """
    ending = see.ending
    if ending.kind is not Kind.ENCRYPTED_QUIT or ending.tls is None:
        return
    end = ending.tls
    client, server = end.last_client, end.last_server
    if client is None or server is None:
        return
    closer = Party.CLIENT if ending.side is Side.CLIENT else Party.SERVER
    exact = end.quit_sized
    yield Claim(
        (
            "Nobody dropped this connection, as far as can be seen inside TLS: its last records have the lengths of QUIT and its reply",
        ),
        (
            Evidence(
                (
                    f"the client's last record has {client.length} octets, as QUIT "
                    + ("has" if exact else "could have"),
                ),
                words.frames(client.at),
            ),
            Evidence(
                ("the server answered it, and the close followed at once",),
                words.frames(server.at, ending.at),
            ),
        ),
        () if exact else (Evidence(("other short commands have this length too",), words.frames(client.at)),),
        how=How.QUIT,
        strength=Strength.LIKELY if exact else Strength.POSSIBLE,
        could_also_be=() if exact else (closer,),
        end=ending.at,
    )
