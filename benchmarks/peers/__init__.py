"""The same activations through every library that installs from the package index, side by side with ours.

`cases` makes the activations, `registry` lists the libraries and why their numbers differ, `environments` installs
them, `adapters/` drive them there, `conventions` writes each cause as a function, `collect` checks it. To add a
library: an adapter, an entry in the registry, a cause for each number that is not the exact one.
"""
