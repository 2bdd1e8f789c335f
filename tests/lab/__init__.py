"""The fault lab: real TCP stacks and mail servers talk over cables that the lab made, and faults are injected on purpose.

    client ── near cable ── router ── far cable ── server          network.py, wire.py
      │                       │                      │
    capture                capture                capture          capture.py
      │                       │                      │
    peers/, software/   firewall.py, forge.py   peers/, software/

The way of a run: `scenarios/` tell who does what; `lab.py` gives them hosts, cables, devices and peers; each of these
writes what it does to the journal (`journal.py`). `dialogue.py` reads the journal as each side lived it, `deed.py` completes the declared deed
from it, `truth.py` says what an expert may say of each file. `record.py` runs a scenario, lets tshark confirm that it
happened, and writes captures/lab/<scenario>/. How to write a scenario: README.md here.
"""
