"""The experiments: data, networks, training, representations, measurements, claims and figures.

Everything here is built on the numeric core :mod:`repsim`, which never imports it. Each step of the chain

    profile -> networks -> weights -> representations -> similarity tables -> figures and claims -> pages

is a function of files to files that asks the :class:`~repsim.lab.store.Store` first.
"""
