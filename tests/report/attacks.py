"""What a stranger may say to have a ticket system do something: each line once alone, and all of them in one story."""

from __future__ import annotations

from pcapdiag.analysis import Analysis, InputError
from pcapdiag.diagnosis.patterns import Pattern
from pcapdiag.diagnosis.verdict import Evidence
from pcapdiag.model import How, Impact, Mailbox, Note, Party, Stage, Wire
from pcapdiag.report.clean import wire_line
from tests.factories import (
    make_capture,
    make_command,
    make_dialogue,
    make_finding,
    make_judged,
    make_reply,
    make_transaction,
    make_verdict,
)
from tests.report.stories import analysis_of

ATTACKS = (
    b"\x1b[2J\x1b]0;owned\x07 \xe2\x80\xaeESMTP\xe2\x80\xac \xff\x00",
    b"<script>alert(1)</script> <img src=x onerror=alert(1)> <!-- x --> <b>bold</b> </details> </pre> </code>",
    b"[free](https://evil.example/) ![x](https://evil.example/x.png) [x][y] [^1] [[wiki]] [ ] [x] <https://evil.example>",
    b"https://evil.example/ http://evil.example www.evil.example ftp://evil.example mailto:a@evil.example //evil.example",
    b"user@evil.example @user @all @group/team user/repo@0a1b2c3 [~admin] [~accountid:5f0]",
    b'#1 #123 GH-1 user/repo#1 !1 !123 $1 &1 ~label %milestone ^alert ~"two words" %"two words"',
    b"0a1b2c3 deadbeef 0a1b2c3d4e5f60718293a4b5c6d7e8f901234567 1234567 defaced",
    b":smile: :+1: :100: :) :-( ;) :D :P 8-) (y) (n) (i) (/) (x) (!) (+) (-) (?) (on) (off) (*) (*r) (flag) <3",
    b"*bold* _em_ **b** __i__ ~~gone~~ -del- +ins+ ^sup^ ~sub~ ??cite?? %span% ==mark== `code` ``co`de`` @code@",
    b"| a | b || c | |---|---| ||head|| |_. head |\\2. two",
    b"``` ```` ~~~ ```js",
    b"{noformat} {code} {code:java} {html} {color:red}red{color} {include:x} {{monospaced}} {expand} {*}b{*} {jira:x}",
    b"{{toc}} {{include(x)}} {{macro_list}} !{{toc}} {{child_pages}} {{collapse(x)}}",
    b"MAIL-12 MAIL2-12 A-1 (MAIL-12) MAIL-12, PROJ-1234/PROJ-1",
    b'r123 -r12 (r12) commit:abc commit:"abc" document:x attachment:x.zip source:trunk/x@12 export:x version:1.0 user:admin',
    b"user#1 message#1 document#12 ##12 #12-3 #12#note-3 news:x forum:x project:x x:r12 x:commit:abc @admin",
    b'"link":http://evil.example "link(title)":/x !image.png! !http://evil.example/x.png! ABC(acronym) word[1] notextile',
    b"&lt;b&gt; &#64;user &commat;user &amp; &nbsp; &#x3c;script&#x3e; &#35;1",
    b"\\ \\\\ \\\\server\\share \\@user \\#1 \\`x` C:\\x",
    b"$x^2$ $$x$$ $`x`$ \\(x\\) {+ added +} {- gone -} [+ added +]",
    b"/close @admin",
    b"/label ~bug",
    b"# heading",
    b"## heading",
    b"h1. heading",
    b"bq. quote",
    b"fn1. note",
    b"p(class). text",
    b"table(class). text",
    b"> quote",
    b"* item",
    b"- item",
    b"+ item",
    b"1. item",
    b"1) item",
    b"---",
    b"----",
    b"===",
    b"***",
    b"==html==",
    b": definition",
    b"::include{file=x}",
    b"[[_TOC_]]",
    b"    code",
    b"|cell|",
    b"<pre>",
    b"<redpre#0> :redsh#1: x%x% <notextile> <kbd>",
    b"=cmd|' /C calc'!A0",
    b"+1+1",
    b"-1+1",
    b"@SUM(1+1)",
    b"\t=1+1",
    b"\r=1+1",
    b"x;=1+1; @x;'=1",
    b"'=1+1",
    b'"=1+1',
    "＝1+1 ＠user ＃1".encode(),
    b"Grumpy " * 9_000,
    b"x" * 65_536,
)
"""As they come from the wire."""

LINES = tuple(wire_line(attack) for attack in ATTACKS)
"""As the reports get them."""

KEPT = 1_000
"""Octets of a line that the observer keeps."""


def attacked() -> Analysis:
    """One session in which each attack stands wherever a stranger can write, among others of its kind."""
    kept = tuple(attack[:KEPT] for attack in ATTACKS)
    whole = make_dialogue()
    greeting = make_reply(220, (b"mx.<script>.#1.@all ESMTP", *kept), 4, 0.1)
    commands = [make_command(attack, b"", 20 + 2 * number, 1 + number) for number, attack in enumerate(kept)]
    replies = [
        make_reply(550, (attack, b"5.7.1 second line", attack), 21 + 2 * number, 1.5 + number)
        for number, attack in enumerate(kept)
    ]
    entries = (greeting, *[entry for pair in zip(commands, replies, strict=True) for entry in pair])
    mails = tuple(
        make_transaction(mail_from=attack, queue_id=attack, complete=False, octets=None, terminator=None)
        for attack in kept
    )
    dialogue = whole._replace(
        entries=entries,
        greeting=greeting,
        helo=b"<b>@all#1|MAIL-12{x}=",
        transactions=mails,
        transactions_total=len(mails),
    )
    evidence = tuple(Evidence((Wire(attack),), (replies[0].at,)) for attack in kept)
    verdict = make_verdict(
        dropped_by=Party.SERVER,
        how=How.FIN,
        stage=Stage.RCPT,
        impact=Impact.REJECTED,
        rule="PD303",
        summary=(Wire(b"/close @all #1 =cmd"), " about ", Mailbox(b"*@evil.example"), " and closed"),
        evidence=evidence,
        against=evidence,
        next_steps=tuple((Wire(attack),) for attack in kept),
        findings=tuple(make_finding(summary=(Wire(attack),)) for attack in kept),
        others=tuple(make_finding(summary=(Wire(attack),)) for attack in kept),
    )
    patterns = tuple(Pattern("retry-storm", (Wire(attack),), (1,), 1) for attack in kept)
    names = [line.replace("/", "_")[:200] for line in LINES]
    captures = tuple(
        make_capture(path=name, notes=(Note("damaged", name, 9),), sha256="0a1b2c3d" * 8) for name in names
    )
    errors = tuple(InputError(name, name) for name in names)
    judged = [make_judged(number, dialogue=dialogue, verdict=verdict) for number in (1, 2)]
    return analysis_of(judged, captures=captures, errors=errors, patterns=patterns)
