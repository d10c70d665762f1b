"""What an episode was worth, component by component: a vector of named values, each None where it does not apply.

Nothing is summed silently: presets and schedules weigh the vector, and the vector is what is stored.
"""
