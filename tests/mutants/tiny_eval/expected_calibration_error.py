# %% right
def expected_calibration_error(confidences, correct, bins=10):
    from bisect import bisect_left

    if not len(confidences) or len(confidences) != len(correct) or bins < 1:
        raise ValueError("give as many confidences as answers, and at least one bin")
    edges = [i / bins for i in range(1, bins)]
    surplus = [0.0] * bins
    for sure, right in zip(confidences, correct, strict=True):
        if not 0 <= sure <= 1:
            raise ValueError(f"{sure} is no confidence")
        surplus[bisect_left(edges, sure)] += sure - right  # n * (confidence - accuracy)
    return sum(map(abs, surplus)) / len(confidences)


# %% wrong: every bin weighs the same
def expected_calibration_error(confidences, correct, bins=10):
    import math

    held = {}
    for sure, right in zip(confidences, correct, strict=True):
        held.setdefault(max(math.ceil(sure * bins), 1), []).append((sure, right))
    gaps = [
        abs(sum(sure for sure, _ in some) - sum(right for _, right in some)) / len(some)
        for some in held.values()
    ]
    return sum(gaps) / len(gaps)


# %% wrong: an edge belongs to the bin above it
def expected_calibration_error(confidences, correct, bins=10):
    surplus = [0.0] * bins
    for sure, right in zip(confidences, correct, strict=True):
        surplus[min(int(sure * bins), bins - 1)] += sure - right
    return sum(map(abs, surplus)) / len(confidences)


# %% wrong: too sure here makes up for too unsure there
def expected_calibration_error(confidences, correct, bins=10):
    return abs(sum(confidences) - sum(correct)) / len(confidences)


# %% wrong: the middle of the bin for its mean confidence
def expected_calibration_error(confidences, correct, bins=10):
    import math

    surplus = [0.0] * bins
    for sure, right in zip(confidences, correct, strict=True):
        place = max(math.ceil(sure * bins) - 1, 0)
        surplus[place] += (place + 0.5) / bins - right
    return sum(map(abs, surplus)) / len(confidences)
