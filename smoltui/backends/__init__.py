"""The outside world: processes, files, devices and the Hub, given as core types and raising our errors."""
