"""A report, as files and a note -> a ticket of some ticket system.

    bundling   an analysis            -> a `Bundle`: the note and the files, on disk
    systems    a ticket and a bundle  -> steps: requests, each made from the answers to those before it
    delivery   steps                  -> what is in the ticket, and what is not
    preview    steps                  -> the text that ``--dry-run`` prints
    send       a step                 -> its answer; it and `smtp` alone open sockets

A ticket system is one file of `systems`, with one generator that yields requests and is sent answers. It opens nothing,
knows no secret and can be driven by a test or a dry run as well as by the network. A new system is a new file there.
"""
