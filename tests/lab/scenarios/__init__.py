"""The stories, grouped in files by theme. A new file here is found by itself."""
