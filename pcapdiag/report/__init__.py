"""Reports: `Analysis` to text for people and to data for programs; the formats are found in ``formats/``."""
