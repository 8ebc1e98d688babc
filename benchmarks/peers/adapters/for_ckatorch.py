"""ckatorch: functions on matrices, and a class on models and a loader."""

from functools import partial

import torch
from ckatorch import CKA
from ckatorch.core import cka_base
from protocol import run
from stored import LAYER, Stored, fed, loader


def base(x, y, **options):
    return cka_base(torch.as_tensor(x), torch.as_tensor(y), **options)


class WithBatchAxis(Stored):
    """The class compares (batch, n, features): the examples of a mini-batch as one such matrix."""

    def forward(self, indices):
        return self.layer(indices[None])


def compare(x, y, batch, model):
    first, second = (model(torch.as_tensor(z)) for z in (x, y))
    return CKA(first, second, [LAYER], first_name="x", second_name="y")(loader(len(x), batch))[0, 0]


@fed
def flat(x, y, batch):
    return compare(x, y, batch, Stored)


@fed
def with_batch_axis(x, y, batch):
    return compare(x, y, batch, WithBatchAxis)


if __name__ == "__main__":
    run(
        "ckatorch",
        {
            "cka_base": base,
            "cka_base(unbiased)": partial(base, unbiased=True),
            "cka_base(unbiased, hsic)": partial(base, unbiased=True, method="hsic"),
            "cka_base(rbf)": partial(base, kernel="rbf"),
            "CKA": flat,
            "CKA, a batch axis added": with_batch_axis,
        },
    )
