"""One research object of everything, and its certification by a third person."""
