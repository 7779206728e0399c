"""What helps to build the extension and is not shipped: a stand-in for TEN,
a local service, a simulated call, the demo, tables for the documents."""

from .packages import check_packages

check_packages()
