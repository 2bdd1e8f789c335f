"""pcapdiag: who dropped the SMTP connection, and at which protocol stage."""

__version__ = "0.1.0"
