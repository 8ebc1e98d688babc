"""The paper's Transformers: text, network with its taps, training, and which sublayers correspond.

``settings`` holds what a profile says of them; ``corpus`` fetches and checks text; ``text`` cuts it into
tokens and batches; ``network`` is the network; ``training`` trains it; ``measurement`` compares.
"""
