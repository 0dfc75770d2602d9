import json


def whole(text):
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


class Base:
    def __init__(self):
        self.slots = []

    def slot_of(self, piece):
        """Whose more this may be; None if nobody's."""
        by_index = [slot for slot in self.slots if slot["index"] == piece.index]
        if piece.index is not None:
            return by_index[-1] if by_index else None
        by_id = [slot for slot in self.slots if piece.id and slot["id"] == piece.id]
        return (by_id or self.slots or [None])[-1]

    def another(self, slot, piece):
        """Whether the piece is the beginning of another call."""
        if piece.name == "":
            return False
        if slot["id"] and piece.id:
            return slot["id"] != piece.id
        renamed = slot["name"] != piece.name
        if whole(slot["arguments"]):
            return renamed or piece.arguments != ""
        return renamed and (slot["arguments"] != "" or piece.index is None)

    def add(self, piece):
        if piece.name == piece.arguments == piece.id == "":
            return
        slot = self.slot_of(piece)
        if slot is None or self.another(slot, piece):
            slot = {"index": piece.index, "id": "", "name": "", "arguments": ""}
            self.slots.append(slot)
        if slot["name"] != piece.name:
            slot["name"] += piece.name
        slot["id"] = slot["id"] or piece.id
        slot["arguments"] += piece.arguments

    def wire(self, taken):
        given = {slot["id"] for slot in self.slots} | set(taken)
        used, calls = set(taken), []
        for slot in self.slots:
            own = slot["id"]
            if not own or own in used:
                own = next(name for n in range(10**6) if (name := f"call_{n}") not in given | used)
            used.add(own)
            function = {"name": slot["name"], "arguments": slot["arguments"]}
            calls.append({"id": own, "type": "function", "function": function})
        return tuple(calls)


# %% right
class CallAssembly(Base):
    def add(self, piece):
        super().add(piece)

    def wire(self, taken):
        return super().wire(taken)


# %% wrong: the index alone tells calls apart
class CallAssembly(Base):
    def another(self, slot, piece):
        return False


# %% wrong: every piece with a name begins a call
class CallAssembly(Base):
    def another(self, slot, piece):
        return piece.name != ""


# %% wrong: a name that is repeated is written twice
class CallAssembly(Base):
    def add(self, piece):
        slot = self.slot_of(piece)
        repeated = slot and not self.another(slot, piece) and slot["name"] == piece.name
        super().add(piece)
        if repeated:
            slot["name"] += piece.name


# %% wrong: a piece goes on with the latest call, whatever its index
class CallAssembly(Base):
    def slot_of(self, piece):
        known = [slot for slot in self.slots if slot["index"] == piece.index]
        if piece.name and piece.index is not None and not known:
            return None
        return self.slots[-1] if self.slots else None


# %% wrong: an id that is made up may be one that the server gave
class CallAssembly(Base):
    def wire(self, taken):
        calls = []
        for place, slot in enumerate(self.slots):
            own = slot["id"] if slot["id"] and slot["id"] not in taken else f"call_{place}"
            function = {"name": slot["name"], "arguments": slot["arguments"]}
            calls.append({"id": own, "type": "function", "function": function})
        return tuple(calls)
