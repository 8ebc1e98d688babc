"""What is set before the backend starts."""

import os
import platform
import subprocess
import sys

import pytest

CONVOLVE = """
from repsim.lab.backend import configure
configure(1)
import numpy as np
from repsim.lab.networks import build
build("tiny10", 10)(np.zeros((8, 32, 32, 3), np.float32))
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="oneDNN's kernels in TensorFlow are for x86")
def test_tensorflow_convolves_with_onednn_on_every_processor():
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "ONEDNN_VERBOSE": "1"}
    environment.pop("TF_ENABLE_ONEDNN_OPTS", None)
    command = [sys.executable, "-W", "ignore", "-c", CONVOLVE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "exec,cpu,convolution" in done.stdout
