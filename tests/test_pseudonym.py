"""Pseudonyms: what becomes of a name, of an address and of free text, and what no input can bring about."""

from __future__ import annotations

import ipaddress
import pickle
import re
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcapdiag.pseudonym import Level, Pseudonyms, new_key

KEY = bytes(range(32))
MAIL, ALL, NONE = (Pseudonyms(level, KEY) for level in (Level.MAIL, Level.ALL, Level.NONE))

LEVELS = pytest.mark.parametrize("names", [MAIL, ALL], ids=["mail", "all"])
_MARKED = re.compile(r"«(.*?)»|‹(.*?)›|⟦(.*?)⟧")


def original(marked: str) -> bytes:
    """The text without our marks."""
    return _MARKED.sub(lambda found: found[0][1:-1], marked).encode()


def expected(marked: str, names: Pseudonyms) -> bytes:
    """The text with the pseudonyms of what is marked: «local part», ‹host›, ⟦IP address⟧."""

    def told(found: re.Match[str]) -> str:
        local, host, address = (each.encode() if each else b"" for each in found.groups())
        octets = names.local_part(local) if local else names.host(host) if host else names.address_in(address)
        return octets.decode()

    return _MARKED.sub(told, marked).encode()


# --- One name --------------------------------------------------------------------------------------------------------


def test_a_local_part_is_letters_of_the_same_number() -> None:
    told = MAIL.local_part(b"anna.meier+tag")
    assert re.fullmatch(rb"[a-z]{14}", told)
    assert told == Pseudonyms(Level.ALL, KEY).local_part(b"anna.meier+tag")
    assert told != Pseudonyms(Level.MAIL, new_key()).local_part(b"anna.meier+tag")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"anna", b"Anna"),
        (b"anna", b"ANNA"),
        (b"anna", b'"anna"'),
        (b"anna", b'"an\\na"'),
        ("änna".encode(), "ÄNNA".encode()),
    ],
)
def test_spellings_of_one_name_begin_with_the_same_letters(one: bytes, other: bytes) -> None:
    first, second = MAIL.local_part(one), MAIL.local_part(other)
    assert (len(first), len(second)) == (len(one), len(other))
    assert second.startswith(first)


@LEVELS
@pytest.mark.parametrize(
    "marked",
    [
        "",
        "«anna»@‹example.com›",
        "«anna+tag»@‹example.com›",
        '«"anna meier"»@‹example.com›',
        '«"anna@home"»@‹example.com›',
        "@‹a.example›,@‹b.example›:«anna»@‹example.com›",
        "«user%host»@‹relay.example›",
        "«host!user»",
        "«postmaster»",
        "«SRS0=HHH=TT=example.org=anna»@‹fw.example›",
        "«bounces-anna=example.com»@‹lists.example›",
        "«prvs=4711abcdef=anna»@‹example.com›",
        "«änna»@‹exämple.com›",
        "«anna»@[⟦192.0.2.1⟧]",
        "«anna»@[IPv6:⟦2001:db8::1⟧]",
        "«anna»@",
        "@‹example.com›",
    ],
)
def test_a_mailbox(marked: str, names: Pseudonyms) -> None:
    assert names.mailbox(original(marked)) == expected(marked, names)


@pytest.mark.parametrize(
    "name", [b"localhost", b"localhost.localdomain", b"", b".", b"127.0.0.1", b"[127.0.0.1]", b"local"]
)
def test_a_host_name_that_everybody_has_stays(name: bytes) -> None:
    assert ALL.host(name) == name


def test_hosts_of_one_domain_share_it() -> None:
    one, other, elsewhere = (ALL.host(name) for name in (b"anna.Example.com", b"ben.example.com", b"anna.example.net"))
    assert one[4:] == other[3:] == ALL.host(b".example.com")
    assert one.endswith(b".com")  # which half the world has
    assert elsewhere[:4] != one[:4]
    assert ALL.host(b"mx.firma.de")[-2:] != b"de"  # a country does tell something
    assert ALL.host(b"example.com.") == ALL.host(b"example.com") + b"."


def test_only_level_all_touches_hosts_and_addresses() -> None:
    for names in (NONE, MAIL):
        assert names.host(b"mx.example.com") == b"mx.example.com"
        assert names.address("192.0.2.1") == "192.0.2.1"
        assert names.packed(bytes(4)) == bytes(4)
    assert NONE.local_part(b"anna") == b"anna"
    assert NONE.mailbox(b"anna@example.com") == b"anna@example.com"
    assert NONE.knowing([b"anna"]).text(b"anna@example.com") == b"anna@example.com"


def test_the_key_is_shown_to_nobody_and_travels_to_other_processes() -> None:
    assert KEY.hex() not in repr(MAIL)
    assert repr(KEY) not in repr(MAIL)
    assert pickle.loads(pickle.dumps(MAIL)).local_part(b"anna") == MAIL.local_part(b"anna")


# --- IP addresses ----------------------------------------------------------------------------------------------------

ADDRESSES = {4: st.integers(0, 2**32 - 1), 16: st.integers(0, 2**128 - 1)}
STAYS = [ipaddress.ip_network(each) for each in ("127.0.0.0/8", "0.0.0.0/32", "::/128", "::1/128")]


def common(one: bytes, other: bytes) -> int:
    """How many first bits two addresses share."""
    differ = int.from_bytes(one, "big") ^ int.from_bytes(other, "big")
    return 8 * len(one) - differ.bit_length()


@given(st.data())
@pytest.mark.parametrize("size", [4, 16])
def test_addresses_share_afterwards_what_they_shared_before(size: int, data: st.DataObject) -> None:
    one = data.draw(ADDRESSES[size])
    shared = data.draw(st.integers(0, 8 * size))
    other = one ^ (data.draw(ADDRESSES[size]) >> shared)
    before = [number.to_bytes(size, "big") for number in (one, other)]
    if any(
        ipaddress.ip_address(each) in network
        for each in before
        for network in STAYS
        if network.max_prefixlen == 8 * size
    ):
        return
    if any(each.startswith((bytes(10), bytes.fromhex("0064ff9b"))) for each in before) and size == 16:
        return
    after = [ALL.packed(each) for each in before]
    assert common(*after) == common(*before)
    assert [ALL.address(str(ipaddress.ip_address(each))) for each in before] == [
        str(ipaddress.ip_address(each)) for each in after
    ]


@pytest.mark.parametrize("text", ["127.0.0.1", "127.1.2.3", "0.0.0.0", "::", "::1", "no address", ""])
def test_what_is_no_host_of_the_network_stays(text: str) -> None:
    assert ALL.address(text) == text


@pytest.mark.parametrize(
    ("network", "kind"),
    [
        ("2001:db8::/32", "2000::/3"),
        ("fd00:1234::/32", "fc00::/7"),
        ("fe80::/64", "fe80::/10"),
        ("224.0.0.0/8", "224.0.0.0/4"),
    ],
)
def test_an_address_keeps_its_kind(network: str, kind: str) -> None:
    for host in range(1, 20):
        address = str(ipaddress.ip_network(network)[host])
        told = ALL.address(address)
        assert told != address
        assert ipaddress.ip_address(told) in ipaddress.ip_network(kind)


def test_no_host_becomes_a_loopback_or_multicast_address() -> None:
    for first in (*range(1, 127), *range(128, 224)):
        assert 0 < ALL.packed(bytes([first, 2, 3, 4]))[0] < 224 or first < 127
        assert ALL.packed(bytes([first, 2, 3, 4]))[0] != 127


def test_an_ipv4_address_inside_an_ipv6_address_is_the_same_one() -> None:
    inside = ipaddress.ip_address(ALL.address("192.0.2.1")).packed
    for prefix in ("::ffff:", "64:ff9b::"):
        assert ipaddress.ip_address(ALL.address(prefix + "192.0.2.1")).packed[12:] == inside
        assert ALL.address(prefix + "192.0.2.1").startswith(prefix)


def test_octets_that_are_no_address() -> None:
    with pytest.raises(ValueError, match="5 octets are no IP address: it has 4 or 16"):
        ALL.packed(bytes(5))


# --- Commands --------------------------------------------------------------------------------------------------------


@LEVELS
@pytest.mark.parametrize(
    ("verb", "marked"),
    [
        (b"MAIL", "FROM:<> SIZE=100"),
        (b"MAIL", "FROM:<«anna»@‹example.com›> SIZE=100 BODY=8BITMIME"),
        (b"MAIL", "from: <«anna»@‹example.com›>"),
        (b"MAIL", "FROM:«anna»@‹example.com› SIZE=100"),
        (b"MAIL", "FROM:<«anna»@‹example.com›"),
        (b"MAIL", "FROM:<«anna»@‹example.com›> AUTH=«anna»+40‹example.com›"),
        (b"MAIL", "FROM:<> AUTH=<> RET=HDRS ENVID=«anna»@‹example.com›"),
        (b"RCPT", "TO:<«anna»@‹example.com›> ORCPT=rfc822;«anna»@‹example.com› NOTIFY=NEVER"),
        (b"RCPT", 'TO:<«"a>b\\"@c"»@‹x.example›> NOTIFY=NEVER'),
        (b"RCPT", 'TO:<«"never closed»@‹x.example>›'),
        (b"RCPT", "TO:<«ab»>"),
        (b"RCPT", "«anna»@‹example.com›"),
        (b"RCPT", ""),
        (b"VRFY", "«anna» «smith»"),
        (b"VRFY", "<«ab»@‹example.com›>"),
        (b"EXPN", "«staff»"),
        (b"XCLIENT", "NAME=‹spike.example.com› ADDR=⟦192.0.2.7⟧ LOGIN=«anna» HELO=‹laptop› DESTPORT=25"),
        (b"XFORWARD", "NAME=[UNAVAILABLE] ADDR=IPV6:⟦2001:db8::9⟧ IDENT=4ABC"),
        (b"EHLO", "‹laptop›"),
        (b"EHLO", "[⟦192.0.2.1⟧]"),
        (b"EHLO", "⟦192.0.2.1⟧"),
        (b"EHLO", "«anna»@‹laptop›"),
        (b"ETRN", "‹example.com›"),
        (b"AUTH", "PLAIN"),
        (b"BDAT", "1000 LAST"),
        (b"NOOP", "«anna»"),
    ],
)
def test_the_argument_of_a_command(verb: bytes, marked: str, names: Pseudonyms) -> None:
    masker = names.knowing([b"anna@example.com"], [b"laptop"])
    assert masker.argument(verb, original(marked)) == expected(marked, names)


def test_xtext_is_the_same_name_spelled_longer() -> None:
    told = MAIL.knowing([]).argument(b"RCPT", b"TO:<anna+tag@example.com> ORCPT=rfc822;anna+2Btag@example.com")
    whole = MAIL.local_part(b"anna+tag")
    assert re.fullmatch(rb"TO:<%b@example.com> ORCPT=rfc822;%b[a-z]{2}@example.com" % (whole, whole), told)


# --- Free text -------------------------------------------------------------------------------------------------------

KNOWN = [
    b"anna@example.com",
    b"first.last@mailhost",
    b"bounces-ben=foo.example.org@lists.example",
    b"SRS0=HHH=TT=example.org=carol@fw.example",
    b"ab@x.example",
    b'"anna meier"@x.example',
    b"o'brien@x.example",
    b"first",
    b"zoe.miller@example.com",
]


@LEVELS
@pytest.mark.parametrize(
    "marked",
    [
        # any mail address, whoever it belongs to
        "5.1.1 <«anna»@‹example.com›>: Recipient address rejected",
        "5.7.1 contact «postmaster»@‹example.net›, or '«help.desk»@‹example.net›'",
        'says "«zoe»@‹example.net›" and «"zoe miller"»@‹example.net›',
        "to=«zoe»@‹example.net›, orig_to=«zoe»@‹example.net›; mailto:«zoe»@‹example.net›",
        "see http://‹www.example.org›/why?s=mfrom;id=«zoe»%40‹example.net›;ip=⟦192.0.2.1⟧",
        "a «x»@‹localhost› b",
        "«a»@",
        # local parts of the session, wherever they stand alone
        "5.1.1 User «anna» unknown",
        "«ANNA»: no such user («Anna»'s? «anna»)",
        "no mailbox here by that name: «first.last».",
        "mailbox of «anna»-list is full; annabel and hannah and ‹anna.example.org› are not meant",
        "<«ab»>: unknown, but ab alone is a word; '«ab»' is none",
        "«ben» is over quota, «carol» too",
        "«anna meier»: over quota; «o'brien»!",
        "„«anna»“: unknown",
        "«Zoe» «Miller» has left the company",
        "«first» things «first»",
        "RCPT TO:<«ab»@‹x.example›>",
        "MAIL FROM:<> SIZE=1000",
        # what stays
        "2.0.0 Ok: queued as 4Rz1Kx2Jz3z9y",
        "5.1.1",
        "2.6.0 <abc@‹ex.example›> [InternalId=123] Queued mail for delivery",
        "TLS 1.3, Exim 4.94.2, 12:30:00 +0200",
        # host names and addresses
        "‹mx.example.com› ESMTP Postfix; helo ‹mailhost› from [⟦192.0.2.1⟧]:4711",
        "⟦2001:db8::1⟧: refused; [IPv6:⟦2001:db8::1⟧], ⟦192.0.2.1⟧.",
        "listed: ‹1.2.0.192.zen.spamhaus.example›",
    ],
)
def test_free_text(marked: str, names: Pseudonyms) -> None:
    masker = names.knowing(KNOWN, keep=[b"4Rz1Kx2Jz3z9y", b"<abc@ex.example>"])
    assert masker.text(original(marked)) == expected(marked, names)


@pytest.mark.parametrize("text", [b"YW5uYUBleGFtcGxlLmNvbQ==", b"AGFubmEAc2VjcmV0", b"YW5uYQ=="])
def test_base64_that_holds_a_known_name(text: bytes) -> None:
    told = MAIL.knowing(KNOWN).text(b"535 " + text + b" rejected")
    assert text not in told
    assert (told[:4], told[-9:]) == (b"535 ", b" rejected")


def test_a_name_that_was_cut_off() -> None:
    masker = MAIL.knowing([b"annamaria@example.com"])
    begun = MAIL.local_part(b"annamaria")[:6]
    assert masker.text(b"the user annama...") == b"the user " + begun + b"..."
    assert masker.text(b"RCPT TO:<annama...")[9:15] != b"annama"
    assert masker.text(b"x" * 190 + b"<unknown.per")[:191] == b"x" * 190 + b"<"
    assert b"unknown" not in masker.text(b"x" * 190 + b"<unknown.per")
    assert masker.text(b"the user annama") == b"the user annama"


def test_an_id_that_holds_a_name_is_not_kept() -> None:
    assert b"anna" not in MAIL.knowing(KNOWN, keep=[b"<anna.4711@x.example>"]).text(
        b"<anna.4711@x.example> Queued mail"
    )


def test_where_a_host_is_meant_a_local_part_of_the_same_name_does_not_change_it() -> None:
    masker = MAIL.knowing([b"mail@example.com", b"x@localhost", b"mx.example.com@localhost", b"y@mx.example.com"])
    text = b"220 mail.example.com and localhost and mx.example.com"
    assert masker.text(text) == text


def test_an_answer_to_ehlo_keeps_its_keywords() -> None:
    masker = MAIL.knowing([b"help@example.com"])
    assert masker.mailboxes(b"HELP") == b"HELP"
    assert masker.text(b"ask for help") != b"ask for help"


def test_in_reports_an_address_is_the_one_of_the_table() -> None:
    masker = replace(ALL, fitted=False).knowing([])
    address = ALL.address("192.0.2.1").encode()
    assert masker.text(b"from [192.0.2.1], 192.0.2.1:25") == b"from [%b], %b:25" % (address, address)


# --- Any input -------------------------------------------------------------------------------------------------------

LOCAL = st.from_regex(re.compile(rb"[a-z0-9]{3,12}([.+_-][a-z0-9]{3,12})?"), fullmatch=True)
HOST = st.from_regex(re.compile(rb"[a-z]{3,9}(\.[a-z]{3,9}){1,2}"), fullmatch=True)
NOISE = st.text("<>@\"'\\:;,.=+%-!/ []{}(){}aX0\n\té", max_size=40).map(str.encode) | st.binary(max_size=40)
FORMS = [
    b"%b@example.com",
    b"<%b>",
    b"User %b unknown",
    b"%b:",
    b"to=<%b@x>",
    b"(%b)",
    b"%b%%40example.com",
    b"'%b'",
    b"%b's mailbox",
    b"RCPT TO:<%b>",
    b"=%b=",
]


@given(text=NOISE, words=st.lists(NOISE, max_size=4))
@pytest.mark.parametrize("level", list(Level))
def test_octets_keep_their_number_and_their_pseudonyms(level: Level, text: bytes, words: list[bytes]) -> None:
    names = Pseudonyms(level, KEY)
    masker, again = (Pseudonyms(level, KEY).knowing(words, words[:1]) for _ in range(2))
    for told in (names.local_part, names.mailbox, names.host, masker.text, masker.mailboxes):
        assert len(told(text)) == len(text)
    for verb in (b"MAIL", b"RCPT", b"VRFY", b"XCLIENT", b"EHLO", b"NOOP"):
        assert len(masker.argument(verb, text)) == len(text)
    assert masker.text(text) == again.text(text)
    if level is Level.NONE:
        assert masker.text(text) == text


@given(local=LOCAL, noise=NOISE, form=st.sampled_from(FORMS), level=st.sampled_from([Level.MAIL, Level.ALL]))
def test_a_known_local_part_does_not_come_through(local: bytes, noise: bytes, form: bytes, level: Level) -> None:
    told = Pseudonyms(level, KEY).knowing([local + b"@example.com"]).text(b"550 %b %b" % (form % local, noise))
    before = noise.lower()
    assert local not in told.lower() or local in before


@given(host=HOST, noise=NOISE)
def test_at_level_all_a_host_name_does_not_come_through(host: bytes, noise: bytes) -> None:
    told = ALL.knowing([]).text(b"550 %b: %b" % (host, noise))
    assert host not in told


@pytest.mark.parametrize(
    "unit",
    [
        *(b"a", b'"', b'\\"', b'"@', b'"a@', b"a@", b"@", b"1.", b":", b"1:", b"a.", b"<", b"%40", b"a%40b.", b"x+40"),
        *(b"AAAA ", b"anna ", b"anna meier ", b"//?", b"-", b"1-", b"\xff", b"IPv6:", b'a"', b'""', b'"\\', b'"a" '),
        *(b"4ABCDE", b"to=", b"%4", b"abc%4", b"1-2-3-", b"SRS0=", b"+=", b"=2B", b"!"),
    ],
)
def test_a_line_of_64_kib_takes_a_moment(unit: bytes) -> None:
    """A tenth of a second to a second here; a search that goes over it again and again takes minutes."""
    line = (unit * 65_536)[:65_536]
    masker = ALL.knowing([*KNOWN, line, *(b"u%d@x.example" % number for number in range(1000))], keep=[b"4ABCDE"])
    began = time.process_time()
    masker.text(line)
    for verb in (b"RCPT", b"XCLIENT"):
        masker.argument(verb, b"TO:<" + line)
    ALL.mailbox(line)
    assert time.process_time() - began < 20
