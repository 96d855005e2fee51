"""Places where steps run: this machine; later, a pool."""
