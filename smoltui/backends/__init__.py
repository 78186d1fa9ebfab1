"""The outside world: processes, files, devices and the Hub, returning core types and raising our errors."""
