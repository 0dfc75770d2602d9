# %% right
def lcs_length(a, b):
    # Hunt and Szymanski: the longest rising row of places, found as in a game of patience
    from bisect import bisect_left

    places = {}
    for place, token in enumerate(b):
        places.setdefault(token, []).append(place)
    ends = []
    for token in a:
        for place in reversed(places.get(token, [])):
            at = bisect_left(ends, place)
            ends[at : at + 1] = [place]
    return len(ends)


# %% wrong: the longest common run, without gaps
def lcs_length(a, b):
    longest, above = 0, [0] * (len(b) + 1)
    for x in a:
        row = [0]
        for j, y in enumerate(b):
            row.append(above[j] + 1 if x == y else 0)
        longest, above = max(longest, *row), row
    return longest


# %% wrong: the order does not count
def lcs_length(a, b):
    from collections import Counter

    return (Counter(a) & Counter(b)).total()


# %% wrong: each token takes the first place that is still free behind the last
def lcs_length(a, b):
    found = start = 0
    rest = list(b)
    for token in a:
        if token in rest[start:]:
            start = rest.index(token, start) + 1
            found += 1
    return found


# %% wrong: a match is counted from the cell above, so that a token may stand for two
def lcs_length(a, b):
    above = [0] * (len(b) + 1)
    for x in a:
        row = [0]
        for j, y in enumerate(b):
            row.append(above[j + 1] + 1 if x == y else max(above[j + 1], row[j]))
        above = row
    return above[-1]
