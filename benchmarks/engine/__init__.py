"""What the engine costs: time beside matrix products of the same operation count, memory, growth, accuracy.

`data` writes the representations, `operations` counts, `tasks` holds what is measured, each in a process of its own
that `child` is, `plan` lists the measurements for the sizes asked for, `derive` makes ratios, exponents and
extrapolations out of them. To measure something else: a task, a measurement in the plan, and what is derived from it.
"""
