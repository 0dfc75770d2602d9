import re
import unicodedata

from tiny_agent.answers import find_numbers


def plain(text):
    return unicodedata.normalize("NFKC", text).casefold().strip()


def words(text):
    return re.findall(
        r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+", plain(text)
    )


def holds_words(answer, wording):
    there, wanted = words(answer), words(wording)
    return bool(wanted) and any(
        there[place : place + len(wanted)] == wanted for place in range(len(there))
    )


def lone_number(wording):
    """The number that a wording is; None if it is something else."""
    numbers = find_numbers(plain(wording))
    begins = re.match(r"[-\u2212]?[0-9]", plain(wording))
    return numbers[0] if begins and len(numbers) == 1 else None


def same(given, wanted):
    if abs(given - wanted.value) <= 1e-9 * max(1, abs(wanted.value)):
        return True
    return wanted.step < 1 and abs(given - wanted.value) <= wanted.step * 0.5000001


# %% right
def answer_matches(answer, accepted):
    if len(accepted) == 0:
        raise ValueError("nothing is accepted")
    given = [number.value for number in find_numbers(plain(answer))]
    for wording in accepted:
        wanted = lone_number(wording)
        if wanted is None:
            right = holds_words(answer, wording)
        else:
            right = any(same(value, wanted) for value in given)
        if right:
            return True
    return False


# %% wrong: the wording is looked for as a text, so that 2012 holds 12
def answer_matches(answer, accepted):
    if not accepted:
        raise ValueError("nothing is accepted")
    return any(plain(wording) in plain(answer) for wording in accepted)


# %% wrong: numbers are compared as they are written
def answer_matches(answer, accepted):
    if not accepted:
        raise ValueError("nothing is accepted")
    return any(holds_words(answer, wording) for wording in accepted)


# %% wrong: a number that is nearly right is right
def answer_matches(answer, accepted):
    if not accepted:
        raise ValueError("nothing is accepted")
    given = [number.value for number in find_numbers(plain(answer))]
    wanted = {wording: lone_number(wording) for wording in accepted}
    return any(
        any(
            abs(value - wanted[wording].value) <= 0.01 * abs(wanted[wording].value)
            for value in given
        )
        if wanted[wording]
        else holds_words(answer, wording)
        for wording in accepted
    )


# %% wrong: rounding is not allowed for
def answer_matches(answer, accepted):
    if not accepted:
        raise ValueError("nothing is accepted")
    given = [number.value for number in find_numbers(plain(answer))]
    wanted = {wording: lone_number(wording) for wording in accepted}
    return any(
        wanted[wording].value in given if wanted[wording] else holds_words(answer, wording)
        for wording in accepted
    )


# %% wrong: the words may stand anywhere in the answer
def answer_matches(answer, accepted):
    if not accepted:
        raise ValueError("nothing is accepted")
    given = [number.value for number in find_numbers(plain(answer))]
    for wording in accepted:
        wanted = lone_number(wording)
        if wanted is None and words(wording) and set(words(wording)) <= set(words(answer)):
            return True
        if wanted is not None and any(same(value, wanted) for value in given):
            return True
    return False
