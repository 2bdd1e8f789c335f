"""The live view on a terminal: sessions as they run and end, who dropped which, and the ladder of the one you choose.

board      events -> rows and rates, within bounds; refuses to know of terminals
keys       octets of a terminal -> keys
report     a row -> the lines of its report
screen     rows, or a report -> lines of a screen of so many columns and rows
terminal   who draws and reads keys, in a thread of its own, and gives the terminal back as it was
"""
