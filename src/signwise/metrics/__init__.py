"""How right a model is: pure functions of labels (N,), probabilities (N, K) and `known` (N,).

Every rate comes with its count and a 95 % interval; what can't be measured is None, never NaN.
Whatever is drawn by chance is drawn from a seed.
"""
