"""How activations are taken from models while they run.

    batches      what models are given: arrays that are cut, or loaders; how many examples there are
    selection    which layers: names, patterns, types; close matches for a typo
    torch        a PyTorch module: hooks, mode, device
    keras        a Keras model: the same for its layers
    collecting   takes what a layer gives at the moment it gives it, counts rows, pools and keeps them
    stores       where rows are kept: in memory, in .npy files, on a device
    running      runs one or several models, functions among them, on the same batches

A model is as it was afterwards, whatever happens: hooks are there during one batch, no longer.
"""
