from collections.abc import Callable
from dataclasses import dataclass

from tiny_rag.boundaries import Strength, boundary_strengths
from tiny_rag.counting import count_tokens
from tiny_rag.documents import Chunk


def best(strengths, places, last):
    """Of the places that may be cut the best one, the first or last of equals; None if none may."""
    allowed = [at for at in places if strengths[at] > Strength.KEPT]
    if not allowed:
        return None
    most = max(strengths[at] for at in allowed)
    equal = [at for at in allowed if strengths[at] == most]
    return equal[-1] if last else equal[0]


@dataclass(frozen=True)
class Walker:
    """Goes character by character, and counts each time."""

    chunk_size: int = 256
    chunk_overlap: int = 32
    count: Callable[[str], int] = count_tokens

    def __post_init__(self):
        if not 0 <= self.chunk_overlap < self.chunk_size:
            raise ValueError("the overlap must be smaller than the size")

    def split(self, document):
        text, spans, start, done = document.text, [], 0, 0
        strengths = boundary_strengths(text)
        while done < len(text):
            begin = self.back(text, strengths, start, done)
            end = self.end(text, strengths, begin, done)
            if end is None or end <= done:
                begin = done
                end = self.end(text, strengths, done, done) or self.reach(text, done)
            start, done = begin, end
            spans.append((start, done))
        return [Chunk.of(document, a, b, dict(document.metadata)) for a, b in spans]

    def reach(self, text, begin):
        """As far as the limit allows."""
        end = begin
        while end < len(text) and self.count(text[begin : end + 1]) <= self.chunk_size:
            end += 1
        if end == begin:
            raise ValueError("a character is too long")
        return end

    def end(self, text, strengths, begin, done):
        """Where the chunk from `begin` ends."""
        reach = self.reach(text, begin)
        if reach == len(text):
            return reach
        half = max(done, begin + (reach - begin - 1) // 2)
        second, all_of_it = range(half + 1, reach + 1), range(done + 1, reach + 1)
        return best(strengths, second, True) or best(strengths, all_of_it, True)

    def back(self, text, strengths, start, done):
        """Where the chunk after text[start:done] begins."""
        low = done
        while low - 1 > start and self.count(text[low - 1 : done]) <= self.chunk_overlap:
            low -= 1
        half = done - (done - low) // 2
        found = best(strengths, range(low, half), False) or best(strengths, range(low, done), False)
        return done if found is None else found


# %% right
class TokenChunker(Walker):
    pass


# %% wrong: the overlap is counted in characters
class TokenChunker(Walker):
    def back(self, text, strengths, start, done):
        low = max(start + 1, done - self.chunk_overlap)
        found = best(strengths, range(low, done), False)
        return done if found is None else found


# %% wrong: the tokens of single characters are added up
class TokenChunker(Walker):
    def reach(self, text, begin):
        end, total = begin, 0
        while end < len(text) and total + self.count(text[end]) <= self.chunk_size:
            total += self.count(text[end])
            end += 1
        return end


# %% wrong: it cuts where the limit is reached, whatever stands there
class TokenChunker(Walker):
    def end(self, text, strengths, begin, done):
        return self.reach(text, begin)


# %% wrong: what is left at the end is dropped if it is shorter than the overlap
class TokenChunker(Walker):
    def split(self, document):
        chunks = super().split(document)
        short = chunks and self.count(chunks[-1].text) <= self.chunk_overlap
        return chunks[:-1] if short and len(chunks) > 1 else chunks


# %% wrong: the overlap comes on top of the size
class TokenChunker(Walker):
    def end(self, text, strengths, begin, done):
        return super().end(text, strengths, done, done)


# %% wrong: the first good boundary ends the chunk, however short it is
class TokenChunker(Walker):
    def end(self, text, strengths, begin, done):
        reach = self.reach(text, begin)
        if reach == len(text):
            return reach
        return best(strengths, range(done + 1, reach + 1), False)
