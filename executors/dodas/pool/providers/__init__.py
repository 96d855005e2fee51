"""Where workers come from: each kind of resource is a module that keeps to :class:`.base.Provider`."""
