"""Watching mail as it passes: captured batches become events, the moment there is something to say.

events       what there is to say
watch        batches -> events
privileges   what the process may do, given up before the first octet is parsed
"""
