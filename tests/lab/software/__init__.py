"""Real mail software: each with a root directory of its own, started on a host of the lab, on any port, with any timer.

    recipe (roots.py)  --apt, dpkg-deb-->  layer in the cache  --overlay, chroot-->  Root: a / with the software in it
    Root + settings    --postfix.py, exim.py, opensmtpd.py, sendmail.py-->  MailSystem: listens, relays, or both
                       --swaks.py, smtplib_client.py-->  one session, as a client
                       --aiosmtpd_server.py-->           a server with misbehaving hooks

Debian's mail servers exclude one another, and their packages start them. Here nothing is installed and nothing starts
by itself: packages are unpacked beside the machine, and the machine's own users, mail and settings stay as they are.
"""
