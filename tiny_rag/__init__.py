"""A retrieval-augmented generation pipeline from scratch. Chapters 31, 32, 33."""
