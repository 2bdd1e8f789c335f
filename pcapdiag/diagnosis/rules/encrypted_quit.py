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
        All of the following: the TLS handshake was finished; a close follows the last application record (alerts not
        counted) within a second; the client's last record has exactly the length of QUIT, alone or behind the end of
        data, under one of the usual ciphers, or has at least 200 octets, so that it can hold the end of a message with
        QUIT pipelined behind it; the server answered it, or it has QUIT's length and the client's record before it was
        content (200 octets or more). Likely with two server records behind the client's last one, or with the exact
        length, content before it and an answer; otherwise possible.

    What it means:
        Most probably an orderly end. Without keys the words cannot be read, so this is never more than likely.

    What else looks like this:
        A side that closes after the answer to a message without saying QUIT: then there is one answer only, and the
        claim stays possible. A client's last record of another length (below 200 octets) is some other command: then
        the first close is judged by PD201, PD202, PD301 or PD302. A close_notify that is missing or meets a closed
        socket says nothing: many mail programs leave it out.

    What to do:
        If mail is missing, search both logs for this second: the reply to the final dot with its queue id settles it
        (Postfix: status=sent; Exim: "=>" with C="250"; Exchange: SEND and RECEIVE in Get-MessageTrackingLog). To read
        the words next time, capture with a key log on the side of the client (SSLKEYLOGFILE, where its TLS library
        supports it); the server's private key alone opens neither TLS 1.3 nor ephemeral key exchange.

    Sources:
        RFC 8446 section 5.2 (content, one octet of type, and the tag) and section 6.1 (close_notify); RFC 5288 section
        3 (explicit nonce of 8 octets and tag of 16); record lengths of real sessions.
    """
    ending = see.ending
    end = ending.tls
    if end is None:
        return
    client, server = end.last_client, end.last_server
    closer = Party.CLIENT if ending.side is Side.CLIENT else Party.SERVER
    sure = end.farewells > 1 or (end.quit_sized and end.behind_content and end.farewells > 0)
    if end.quit_sized:
        shape = f"the client's last record has {client.length} octets, as QUIT has"
    else:
        shape = (
            f"the client's last record has {client.length} octets: QUIT may stand in it behind the end of the message"
        )
    answers = f"{end.farewells} record{'s' if end.farewells > 1 else ''}" if end.farewells else "nothing but its close"
    yield Claim(
        (
            "Nobody dropped this connection, as far as can be seen inside TLS: its last records have the lengths of"
            " QUIT and its reply",
        ),
        (
            Evidence((shape,), words.frames(client.at)),
            Evidence(
                (f"the server answered it with {answers}, and the close followed at once",),
                words.frames(server.at, ending.at),
            ),
        ),
        () if sure else (Evidence(("without keys it cannot be read whether QUIT was said",), words.frames(client.at)),),
        how=How.QUIT,
        strength=Strength.LIKELY if sure else Strength.POSSIBLE,
        could_also_be=() if sure else (closer,),
        end=ending.at,
    )
