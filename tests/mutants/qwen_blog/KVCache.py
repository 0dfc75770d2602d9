import torch


class Plain:
    def __init__(self, config, batch_size, max_length, dtype=torch.float32, device="cpu"):
        if min(batch_size, max_length) < 1:
            raise ValueError(f"{batch_size=}, {max_length=}")
        layers, K, Dh = config.num_hidden_layers, config.num_key_value_heads, config.head_dim
        shape = (2, layers, batch_size, K, max_length, Dh)
        self.all = torch.zeros(shape, dtype=dtype, device=device)  # one block for everything
        self.keys, self.values = list(self.all[0]), list(self.all[1])
        self.max_length, self.length = max_length, 0

    @classmethod
    def for_model(cls, model, batch_size, max_length):
        return cls(model.config, batch_size, max_length, model.dtype, model.device)

    @property
    def batch_size(self):
        return self.all.shape[2]

    @property
    def nbytes(self):
        return self.all.numel() * self.all.element_size()

    def check_room(self, new_tokens):
        if new_tokens > self.max_length - self.length:
            raise ValueError(f"the cache holds {self.max_length}")

    def update(self, layer_idx, k, v):
        T = k.shape[2]
        both = self.all[:, layer_idx]  # (2, B, K, max_length, Dh)
        both.narrow(3, self.length, T).copy_(torch.stack((k, v)))
        keys, values = both[:, :, :, : self.length + T]
        return keys, values

    def advance(self, new_tokens):
        self.length = self.length + new_tokens

    def crop(self, length):
        if length not in range(self.length + 1):
            raise ValueError(f"{length} is not within the cached {self.length}")
        self.length = length


# %% right
class KVCache(Plain):
    pass


# %% wrong: each layer moves the length on
class KVCache(Plain):
    def update(self, layer_idx, k, v):
        found = super().update(layer_idx, k, v)
        self.length += k.shape[2]
        return found

    def advance(self, new_tokens):
        pass


# %% wrong: the past is copied at every step
class KVCache(Plain):
    def update(self, layer_idx, k, v):
        past = (
            self.keys[layer_idx][:, :, : self.length],
            self.values[layer_idx][:, :, : self.length],
        )
        self.keys[layer_idx] = torch.cat((past[0], k), dim=2)
        self.values[layer_idx] = torch.cat((past[1], v), dim=2)
        return self.keys[layer_idx], self.values[layer_idx]


# %% wrong: all places are handed out, also those not filled yet
class KVCache(Plain):
    def update(self, layer_idx, k, v):
        super().update(layer_idx, k, v)
        return self.keys[layer_idx], self.values[layer_idx]


# %% wrong: it never says that it is full
class KVCache(Plain):
    def check_room(self, new_tokens):
        pass
