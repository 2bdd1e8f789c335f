"""Watching mail as it passes: captured batches become events, the moment there is something to say.

events       what there is to say
watch        batches -> events
privileges   what the process may do, given up before the first octet is parsed

and who hears events (`listening`):

telling      text and JSON lines
recorder     a slice and the report of each dropped session; kept, blanking and shelf are its parts
hook         a command of the user's for each dropped session
metrics      numbers for Prometheus; exposition is the port on which it asks
notify       what systemd wants to hear
view         the sessions on a terminal
sparing      what they share: things done once, and things said once in a while
"""
