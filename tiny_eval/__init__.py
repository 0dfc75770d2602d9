"""Metrics that agree with the field, a harness with error bars, and the gaokao maths paper."""
