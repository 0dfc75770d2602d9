"""Invented worlds, told and asked about: what the model is trained on. Chapter 24.

`universe.py` makes a world of what `grammar.py` holds; `reading.py`, `tool_use.py`, `prose.py`,
`recall.py`, `small_talk.py` and `multiple_choice.py` make samples of it, the exams
questions.
"""
