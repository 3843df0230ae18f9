"""From photos to a table, a split and pixels."""
