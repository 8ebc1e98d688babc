"""torch-cka: a model and a loader on each side."""

import torch
from protocol import run
from stored import LAYER, fed, in_single_and_double, loader, models
from torch_cka import CKA


def compare(x, y, batch, dtype):
    first, second = models(x, y, dtype)
    cka = CKA(first, second, "x", "y", model1_layers=[LAYER], model2_layers=[LAYER], device="cpu")
    batches = loader(len(x), batch)
    cka.compare(batches, batches)
    return cka.export()["CKA"][0, 0]


@fed
def as_double(x, y, batch):
    return compare(x, y, batch, torch.float64)


if __name__ == "__main__":
    single, double = in_single_and_double(compare)
    run("torch-cka", {"CKA.compare": single, "CKA.compare, double": double, "CKA.compare, float64 model": as_double})
