import math


# %% right
def length_penalty(length, alpha):
    return math.exp(alpha * (math.log(length + 5) - math.log(6)))


# %% wrong: only the numerator is raised to alpha
def length_penalty(length, alpha):
    return (5 + length) ** alpha / 6


# %% wrong: the plain length, as libraries have it
def length_penalty(length, alpha):
    return length**alpha


# %% wrong: a single token is penalised too
def length_penalty(length, alpha):
    return ((6 + length) / 6) ** alpha


# %% wrong: alpha is a factor, not an exponent
def length_penalty(length, alpha):
    return alpha * (5 + length) / 6
