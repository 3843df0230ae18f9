"""Draws typed results and computes nothing: pages, charts, model cards, heat maps, words.

Nothing is imported here: `heat` and `words` serve the base install, the rest needs its extra.
"""
