"""What `make faults` counted, and the page that shows it; the faults themselves are in tests/faults."""
