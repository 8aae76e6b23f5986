"""For all tests: how hypothesis goes about the laws."""

from hypothesis import settings

# An example may take longer than hypothesis' 200 ms where the machine stands still for a moment: that says nothing.
settings.register_profile("dialtone", parent=settings(), deadline=None)
settings.load_profile("dialtone")
