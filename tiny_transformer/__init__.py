"""The encoder-decoder of "Attention Is All You Need", by hand. Chapters 11, 12, 13."""
