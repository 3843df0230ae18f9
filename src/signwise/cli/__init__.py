"""The command line: parsing, one thin function a verb, and what a terminal shows."""
