"""What all runs of all tasks came to: shares with their error bars, and what they cost.

An agent that succeeds nine times in ten fails somebody every day. pass^k says how often k trials of
a task all succeed, pass@k how often at least one does: which one counts depends on whether somebody
looks at the answers. Chapter 43. Sources: Yao et al. 2024, tau-bench,
https://arxiv.org/abs/2406.12045, for pass^k; Chen et al. 2021, https://arxiv.org/abs/2107.03374,
section 2.1, for pass@k; Wilson 1927, "Probable inference, the law of succession, and statistical
inference", for the interval. Leaves out: tests of a difference.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from .outcomes import Outcome


@dataclass(frozen=True)
class Report:
    """What all runs came to. Two reports are equal where all but the seconds is."""

    outcomes: tuple[Outcome, ...]

    @property
    def success(self) -> float:
        """The share of trials that succeeded; the mean over tasks. NaN if there are none."""
        return _mean([right / trials for right, trials in self._counts()])

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Wilson's interval of `success`, as of one trial a task.

        Further trials of the same tasks say little of other tasks, and do not make it narrower.
        """
        counts = self._counts()
        return wilson(sum(right / trials for right, trials in counts), len(counts), confidence)

    def pass_hat(self, k: int) -> float:
        """pass^k: the chance that k trials of a task all succeed; the mean over tasks.

        ValueError if a task has fewer trials than k
        """
        return _mean([pass_hat_k(c, n, k) for c, n in self._at_least(k)])

    def pass_at(self, k: int) -> float:
        """pass@k: the chance that at least one of k trials succeeds, 1 - C(n - c, k) / C(n, k).

        ValueError if a task has fewer trials than k
        """
        return _mean([1 - math.comb(n - c, k) / math.comb(n, k) for c, n in self._at_least(k)])

    @property
    def format_error_rate(self) -> float:
        """Replies that could not be read, as a share of all replies."""
        return self._share("format_errors", "steps")

    @property
    def repeated_call_rate(self) -> float:
        """Calls made before in the same run, as a share of all calls; 0 if there are none."""
        return self._share("repeated_calls", "tool_calls")

    def mean(self, name: str) -> float:
        """The mean of a number of the outcomes, as steps, tool_calls, prompt_tokens, seconds."""
        return _mean([float(getattr(outcome, name)) for outcome in self.outcomes])

    def by(self, name: Literal["kind", "lang", "status", "id"]) -> dict[str, "Report"]:
        """A report for each kind, language, status or task, in the order of the tasks."""
        parts: dict[str, list[Outcome]] = {}
        for outcome in self.outcomes:
            parts.setdefault(getattr(outcome, name), []).append(outcome)
        return {value: Report(tuple(part)) for value, part in parts.items()}

    def summary(self) -> dict[str, float]:
        """The numbers in one line, for a table or a program. No seconds: those never come again."""
        low, high = self.interval()
        return {
            "tasks": len(self._counts()),
            "runs": len(self.outcomes),
            "success": self.success,
            "low": low,
            "high": high,
            "steps": self.mean("steps"),
            "tool_calls": self.mean("tool_calls"),
            "tokens": self.mean("prompt_tokens") + self.mean("completion_tokens"),
            "format_error_rate": self.format_error_rate,
            "repeated_call_rate": self.repeated_call_rate,
        }

    def _counts(self) -> list[tuple[int, int]]:
        """Of each task: the trials that succeeded, and all."""
        trials = Counter(outcome.id for outcome in self.outcomes)
        right = Counter(outcome.id for outcome in self.outcomes if outcome.success)
        return [(right[name], trials[name]) for name in trials]

    def _at_least(self, k: int) -> list[tuple[int, int]]:
        fewest = min((trials for _, trials in self._counts()), default=0)
        if not 1 <= k <= fewest:
            raise ValueError(f"k={k} must be from 1 to {fewest}, the fewest trials of a task")
        return self._counts()

    def _share(self, part: str, whole: str) -> float:
        total = sum(getattr(outcome, whole) for outcome in self.outcomes)
        return sum(getattr(outcome, part) for outcome in self.outcomes) / total if total else 0.0


def pass_hat_k(c: int, n: int, k: int) -> float:
    """pass^k of one task: the chance that k trials, drawn from n of which c succeeded, all did.

    C(c, k) / C(n, k), in [0, 1]; 0 where c < k. It estimates p**k without bias, whatever n is,
    while (c / n)**k comes out too high. Yao et al. 2024, https://arxiv.org/abs/2406.12045.
    ValueError unless 0 <= c <= n and 1 <= k <= n
    """
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError(f"c={c}, n={n}, k={k}: 0 <= c <= n and 1 <= k <= n must hold")
    return math.comb(c, k) / math.comb(n, k)


def wilson(successes: float, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Between which bounds (low, high) the true share lies, with that confidence on both sides.

    successes in [0, trials], not only whole ones · the bounds are the shares p at which
    |successes / trials - p| is z standard errors, z * sqrt(p * (1 - p) / trials), where z is the
    normal quantile of (1 + confidence) / 2. Unlike the mean plus and minus z standard errors of
    itself, they stay within [0, 1], and lie apart where all succeeded or none.
    (0, 1) for no trials. ValueError for other numbers. Wilson 1927.
    """
    if not 0 <= successes <= trials or not 0 < confidence < 1:
        message = f"successes={successes}, trials={trials}, confidence={confidence}"
        raise ValueError(f"{message}: 0 <= successes <= trials and 0 < confidence < 1 must hold")
    if not trials:
        return 0.0, 1.0
    z, share = NormalDist().inv_cdf((1 + confidence) / 2), successes / trials
    middle = share + z * z / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    # The bounds of none and of all are 0 and 1, but for the last bits of a float.
    low = 0.0 if not successes else (middle - spread) / scale
    high = 1.0 if successes == trials else (middle + spread) / scale
    return low, high


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
