"""The ticket systems: one file each, found by its name, imported when it is used. A file's `SYSTEM` says all about it."""
