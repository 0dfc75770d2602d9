# %% right
def multiple_choice_points(chosen, correct, points, year):
    if year is None or year < 2020:
        raise ValueError(f"no rule for {year}")
    found = wrong = 0
    for letter in "".join(dict.fromkeys(chosen)):
        if letter in correct:
            found += 1
        else:
            wrong += 1
    number = len(dict.fromkeys(correct))
    if wrong or not found:
        return 0
    if found == number:
        return points
    return {2020: 3, 2021: 2, 2022: 2, 2023: 2}.get(year, found / number * points)


# %% wrong: a wrong option costs only its own share
def multiple_choice_points(chosen, correct, points, year):
    if year is None or year < 2020:
        raise ValueError
    right = set(chosen) & set(correct)
    if set(chosen) == set(correct):
        return points
    if year >= 2024:
        return points * len(right) / len(set(correct))
    return (3 if year == 2020 else 2) if right else 0


# %% wrong: two points an option from 2024 on, also where two options are right
def multiple_choice_points(chosen, correct, points, year):
    if year is None or year < 2020:
        raise ValueError
    if not chosen or set(chosen) - set(correct):
        return 0
    if set(chosen) == set(correct):
        return points
    return 2 * len(set(chosen)) if year >= 2024 else 3 if year == 2020 else 2


# %% wrong: a part is worth 2 points in all years before 2024
def multiple_choice_points(chosen, correct, points, year):
    if year is None or year < 2020:
        raise ValueError
    if not chosen or set(chosen) - set(correct):
        return 0
    if set(chosen) == set(correct):
        return points
    return points * len(set(chosen)) / len(set(correct)) if year >= 2024 else 2


# %% wrong: the letters must stand in the key's order
def multiple_choice_points(chosen, correct, points, year):
    if year is None or year < 2020:
        raise ValueError
    if not chosen or chosen not in correct:
        return 0
    if chosen == correct:
        return points
    return points * len(chosen) / len(correct) if year >= 2024 else 3 if year == 2020 else 2


# %% wrong: all or nothing, as in single choice
def multiple_choice_points(chosen, correct, points, year):
    if year is None or year < 2020:
        raise ValueError
    return points * (set(chosen) == set(correct))


# %% wrong: every year has the rule of 2024, also those before there was one
def multiple_choice_points(chosen, correct, points, year):
    if not chosen or set(chosen) - set(correct):
        return 0
    return points * len(set(chosen)) / len(set(correct))
