"""A ReAct agent by hand: messages, tools, dialects, the loop. Chapters 41, 42, 43."""
