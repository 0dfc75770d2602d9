"""Right and wrong solutions of the exercises: the right ones must pass, the wrong ones must not.

One file an exercise, `<package>/<name>.py`, in parts as a notebook has cells:

    import torch                        (the head: goes before each part)

    # %% right
    def rms_norm(x, weight, eps): ...

    # %% wrong: eps is added after the root
    def rms_norm(x, weight, eps): ...
"""
