"""Tests of tiny_rag."""
