# The daemon as a service of the system, and as packages.
TESTS += tests/integration/test-service.py
EXTRA_DIST += tests/integration/test-service.py
