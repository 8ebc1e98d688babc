"""Stored activations for the libraries that want a model and a data loader instead of arrays."""

from contextlib import contextmanager

import torch
from protocol import streaming
from torch.utils.data import DataLoader, TensorDataset

LAYER = "layer"


class Lookup(torch.nn.Module):
    """Returns the rows that were stored for the examples with the given indices."""

    def __init__(self, values):
        super().__init__()
        self.values = values

    def forward(self, indices):
        return self.values[indices]


class Stored(torch.nn.Module):
    """A model of one layer, whose output is known beforehand."""

    def __init__(self, values):
        super().__init__()
        self.layer = Lookup(values)

    def forward(self, indices):
        return self.layer(indices)


def models(x, y, dtype):
    return [Stored(torch.as_tensor(z).to(dtype)) for z in (x, y)]


def loader(n, batch, columns=1):
    """Batches of indices in order; some libraries unpack each batch into (input, label)."""
    return DataLoader(TensorDataset(*[torch.arange(n)] * columns), batch_size=batch, shuffle=False)


@contextmanager
def precision(dtype):
    """What a library creates with torch's default type is of this type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def feeding(n, batch):
    """Take all batches once, and do nothing with them."""
    for _ in loader(n, batch):
        pass


def fed(call):
    """Mark an entry that takes a batch size, and gets its batches from a loader."""
    call.feeding = feeding
    return streaming(call)


def in_single_and_double(compare):
    """Two calls of `compare(x, y, batch, dtype)`: as the library is used, and in float64 throughout."""

    @fed
    def single(x, y, batch):
        return compare(x, y, batch, torch.float32)

    @fed
    def double(x, y, batch):
        with precision(torch.float64):
            return compare(x, y, batch, torch.float64)

    return single, double
