import codecs


# %% right
class StreamDecoder:
    def __init__(self, tokenizer, *, skip_special_tokens=False):
        self.tokenizer, self.waiting = tokenizer, b""
        special = (token.id for token in tokenizer.added_tokens.values() if token.special)
        self.hidden = set(special) if skip_special_tokens else set()

    def push(self, token_id):
        if token_id in self.hidden:
            return ""
        self.waiting += self.tokenizer.token_bytes(token_id)
        text, used = codecs.utf_8_decode(self.waiting, "replace", False)
        self.waiting = self.waiting[used:]
        return text

    def flush(self):
        text, self.waiting = self.waiting.decode(errors="replace"), b""
        return text


# %% wrong: each token is decoded by itself
class StreamDecoder:
    def __init__(self, tokenizer, *, skip_special_tokens=False):
        self.tokenizer, self.skip = tokenizer, skip_special_tokens

    def push(self, token_id):
        return self.tokenizer.decode([token_id], skip_special_tokens=self.skip)

    def flush(self):
        return ""


# %% wrong: all is decoded anew, and what is longer than before is shown
class StreamDecoder:
    def __init__(self, tokenizer, *, skip_special_tokens=False):
        self.tokenizer, self.skip = tokenizer, skip_special_tokens
        self.ids, self.shown = [], ""

    def push(self, token_id):
        self.ids.append(token_id)
        text = self.tokenizer.decode(self.ids, skip_special_tokens=self.skip)
        piece, self.shown = text[len(self.shown) :], text
        return piece

    def flush(self):
        self.ids, self.shown = [], ""
        return ""


# %% wrong: half a character at the end is lost
class StreamDecoder:
    def __init__(self, tokenizer, *, skip_special_tokens=False):
        self.tokenizer = tokenizer
        special = (token.id for token in tokenizer.added_tokens.values() if token.special)
        self.hidden = set(special) if skip_special_tokens else set()
        self.utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token_id):
        if token_id in self.hidden:
            return ""
        return self.utf8.decode(self.tokenizer.token_bytes(token_id))

    def flush(self):
        self.utf8.reset()
        return ""


# %% wrong: control tokens are shown, even where they are to be skipped
class StreamDecoder:
    def __init__(self, tokenizer, *, skip_special_tokens=False):
        self.tokenizer = tokenizer
        self.utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token_id):
        return self.utf8.decode(self.tokenizer.token_bytes(token_id))

    def flush(self):
        return self.utf8.decode(b"", final=True)
