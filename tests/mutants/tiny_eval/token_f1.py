from tiny_eval.answers import exact_match
from tiny_eval.text import words_of_qa


# %% right
def token_f1(prediction, reference, tokenize=None):
    cut = words_of_qa if tokenize is None else tokenize
    given, left = cut(prediction), cut(reference)
    if not given and not left:
        return exact_match(prediction, reference) if reference.strip() else 0.0
    number, shared = len(left), 0
    for word in given:
        if word in left:
            left.remove(word)
            shared += 1
    if shared == 0:
        return 0.0
    precision, recall = shared / len(given), shared / number
    return 2 / (1 / precision + 1 / recall)


# %% wrong: a word that stands there twice counts once
def token_f1(prediction, reference, tokenize=None):
    cut = tokenize or words_of_qa
    given, expected = set(cut(prediction)), set(cut(reference))
    if not given and not expected and reference.strip():
        return exact_match(prediction, reference)
    shared = len(given & expected)
    return 2 * shared / (len(given) + len(expected)) if shared else 0.0


# %% wrong: a word of the key may be matched again and again
def token_f1(prediction, reference, tokenize=None):
    cut = tokenize or words_of_qa
    given, expected = cut(prediction), cut(reference)
    if not given and not expected and reference.strip():
        return exact_match(prediction, reference)
    shared = sum(word in expected for word in given)
    return 2 * shared / (len(given) + len(expected)) if shared else 0.0


# %% wrong: the plain mean of precision and recall
def token_f1(prediction, reference, tokenize=None):
    from collections import Counter

    cut = tokenize or words_of_qa
    given, expected = cut(prediction), cut(reference)
    if not given and not expected and reference.strip():
        return exact_match(prediction, reference)
    shared = (Counter(given) & Counter(expected)).total()
    return (shared / len(given) + shared / len(expected)) / 2 if shared else 0.0


# %% wrong: words are cut at spaces as they are, with case and full stops
def token_f1(prediction, reference, tokenize=None):
    from collections import Counter

    cut = tokenize or str.split
    given, expected = cut(prediction), cut(reference)
    if not given and not expected and reference.strip():
        return exact_match(prediction, reference)
    shared = (Counter(given) & Counter(expected)).total()
    return 2 * shared / (len(given) + len(expected)) if shared else 0.0
