"""PD904: packets were cut by the snap length."""

from collections.abc import Iterator

from pcapdiag.diagnosis.matters import Matter
from pcapdiag.diagnosis.observe import Observation
from pcapdiag.diagnosis.rule import Claim, rule


@rule("PD904", "Packets cut by the snap length", None, about=(Matter.CUT,))
def snap_length(see: Observation) -> Iterator[Claim]:
    """The capture holds only the beginning of the packets.

    What it sees:
        Segments whose captured length is shorter than their length on the wire.

    What it means:
        Commands and replies are read as far as they were captured; the final dot is inferred from lengths.

    What else looks like this:
        Nothing: the capture file says so for each packet.

    What to do:
        Capture with -s 0 (whole packets): tcpdump -s 0, dumpcap -s 0; on an appliance look for "packet length" or
        "snaplen". If content must not be stored, 200 octets a packet show most commands and replies.

    Sources:
        pcap: captured length against original length of each packet record.
    """
    client, server = see.connection.halves
    cut = client.cut + server.cut
    if cut:
        yield Claim(
            (
                f"The capture cut packets: {cut} octets of this session were not kept; what they held is inferred"
                " from lengths",
            ),
            (),
        )
