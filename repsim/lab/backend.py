"""Settings of the Keras backend that must be made before the first operation runs."""

from __future__ import annotations

import contextlib
import os


def configure(threads: int | None = None) -> None:
    """Make the backend deterministic, quiet, and limited to `threads` threads (None: as many as there are cores).

    The number of threads decides the order of floating-point sums, so a run that resumes another must use the same.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if os.environ["KERAS_BACKEND"] != "tensorflow":
        return
    # By itself TensorFlow takes oneDNN on some processors only; on the others it makes training about twice as fast.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # it warns when one process trains several networks
    tf.config.experimental.enable_op_determinism()
    if threads is not None:
        with contextlib.suppress(RuntimeError):  # operations have run before, as in a notebook
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)


def threads() -> int:
    """Return how many threads the backend was limited to, 0 where it was not."""
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        return 0
    import tensorflow as tf

    return int(tf.config.threading.get_intra_op_parallelism_threads())


def device() -> str:
    """Return what networks are trained on: the name of a GPU if the backend has found one, else "CPU"."""
    import keras

    name = keras.backend.backend()
    if name == "jax":
        import jax

        first = jax.devices()[0]
        return "CPU" if first.platform == "cpu" else str(first.device_kind)
    if name == "torch":
        import torch

        return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return str(tf.config.experimental.get_device_details(gpus[0])["device_name"]) if gpus else "CPU"
