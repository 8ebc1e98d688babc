"""Settings of the Keras backend that must be made before the first operation runs."""

from __future__ import annotations

import os


def configure(threads: int | None = None) -> None:
    """Make the backend deterministic, quiet, and limited to `threads` threads (None: as many as there are cores).

    The number of threads decides the order of floating-point sums, so a run that resumes another must use the same.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if os.environ["KERAS_BACKEND"] != "tensorflow":
        return
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # it warns when one process trains several networks
    tf.config.experimental.enable_op_determinism()
    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
