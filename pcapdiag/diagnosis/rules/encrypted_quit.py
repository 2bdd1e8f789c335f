"""PD102: an end inside TLS that has the lengths of an orderly one."""

from collections.abc import Iterator

from pcapdiag.diagnosis import words
from pcapdiag.diagnosis.ending import Kind
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Party, Side, Strength


@rule("PD102", "Ended by agreement, as far as the TLS records show", Party.NOBODY, ends=(Kind.ENCRYPTED_QUIT,))
def encrypted_quit(see: Observation) -> Iterator[Claim]:
    """The encrypted session ended the way QUIT and 221 end one.

    What it sees:
        All of the following: the TLS handshake was finished; the last application record (alerts not counted) is the
        server's and follows one of the client; the client's last record has the length of QUIT, alone or behind the end of
        data, or is so long that it holds the end of a message with QUIT pipelined behind it; the close follows within
        a second.

    What it means:
        Most probably an orderly end. Without keys the words cannot be read, so this is never more than likely.

    What else looks like this:
        A side that closes after the answer to a message without saying QUIT. The exact length of QUIT under the usual
        ciphers, or two answers to the client's last record (to the message and to QUIT), make the claim likely; otherwise
        it stays possible. A medium-sized last record is some other command: then the first close is judged. A close_notify that is missing or that meets a
        closed socket says nothing: many mail programs leave it out.

    What to do:
        If mail is missing, look at the log of either side, or capture with a key log (SSLKEYLOGFILE) to read the words.

    Sources:
        RFC 8446 sections 5.2 and 6.1; RFC 5288 section 3; record lengths of real sessions.
    """
    ending = see.ending
    end = ending.tls
    if end is None:
        return
    client, server = end.last_client, end.last_server
    closer = Party.CLIENT if ending.side is Side.CLIENT else Party.SERVER
    sure = end.quit_sized or end.farewells > 1
    if end.quit_sized:
        shape = f"the client's last record has {client.length} octets, as QUIT has"
    else:
        shape = (
            f"the client's last record has {client.length} octets: QUIT may stand in it behind the end of the message"
        )
    yield Claim(
        (
            "Nobody dropped this connection, as far as can be seen inside TLS: its last records have the lengths of QUIT"
            " and its reply",
        ),
        (
            Evidence((shape,), words.frames(client.at)),
            Evidence(
                (
                    f"the server answered it with {end.farewells} record{'s' if end.farewells > 1 else ''}, and the close followed at once",
                ),
                words.frames(server.at, ending.at),
            ),
        ),
        () if sure else (Evidence(("without keys it cannot be read whether QUIT was said",), words.frames(client.at)),),
        how=How.QUIT,
        strength=Strength.LIKELY if sure else Strength.POSSIBLE,
        could_also_be=() if sure else (closer,),
        end=ending.at,
    )
