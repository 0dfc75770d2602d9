from itertools import pairwise


# %% right
def merge_word(word, ranks):
    tokens = list(word)
    while True:
        ranked = [ranks[p] for p in pairwise(tokens) if p in ranks]
        if not ranked:
            return tokens
        best, glued = min(ranked), []
        for token in tokens:  # all places of the best pair in one go
            if glued and ranks.get((glued[-1], token)) == best:
                glued[-1] += token
            else:
                glued.append(token)
        tokens = glued


# %% wrong: the leftmost pair first, whatever its rank
def merge_word(word, ranks):
    tokens, i = list(word), 0
    while i + 1 < len(tokens):
        if (tokens[i], tokens[i + 1]) in ranks:
            tokens[i : i + 2] = [tokens[i] + tokens[i + 1]]
            i = max(0, i - 1)
        else:
            i += 1
    return tokens


# %% wrong: the longest token that fits, from the left, as in WordPiece
def merge_word(word, ranks):
    known = {a + b for a, b in ranks} | set(word)
    tokens, start = [], 0
    while start < len(word):
        end = max(e for e in range(start + 1, len(word) + 1) if word[start:e] in known)
        tokens.append(word[start:end])
        start = end
    return tokens


# %% wrong: each merge is used at one place only
def merge_word(word, ranks):
    tokens = list(word)
    for left, right in sorted(ranks, key=ranks.get):
        for i in range(len(tokens) - 1):
            if (tokens[i], tokens[i + 1]) == (left, right):
                tokens[i : i + 2] = [left + right]
                break
    return tokens


# %% wrong: the pairs are looked up once, and new neighbours never
def merge_word(word, ranks):
    tokens = list(word)
    pairs = {pair for pair in pairwise(tokens) if pair in ranks}
    for left, right in sorted(pairs, key=ranks.get):
        i = 0
        while i + 1 < len(tokens):
            if (tokens[i], tokens[i + 1]) == (left, right):
                tokens[i : i + 2] = [left + right]
            i += 1
    return tokens
