"""Code that `hypotheta inspect --write` and `hypotheta init` copy into a new analysis, to be changed there."""
