"""How fast the networks are trained, beside the same networks in PyTorch."""
