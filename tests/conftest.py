from hypothesis import settings

# Time is measured in benchmarks: a first call that compiles or a busy machine is no broken law.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
