"""The same activations through every library that installs from the package index, side by side with ours."""
