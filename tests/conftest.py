"""For all tests: how hypothesis goes about the laws."""

from hypothesis import HealthCheck, settings

# An example may take longer than hypothesis' 200 ms, and making a few of them longer than its second, where the machine
# stands still for a moment: that says nothing.
settings.register_profile("dialtone", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dialtone")
