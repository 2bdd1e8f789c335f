"""SMTP as spoken in the wild: octets of both directions in, a frozen `Dialogue` out. No I/O, no TCP."""
