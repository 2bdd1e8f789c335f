"""TCP: batches of captured segments become finished connections and ordered octets.

`Tracker` is the way in; `connection` holds what comes out. This room knows RFC 9293, and nothing of mail but its ports.
"""
