"""How hypothesis speaks: of one failure, and without guessing at the lines that caused it."""

from hypothesis import Phase, settings

settings.register_profile("plain", phases=set(Phase) - {Phase.explain}, report_multiple_bugs=False)
settings.load_profile("plain")
