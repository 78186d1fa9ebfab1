"""The name of the settings file, apart from the settings: most of those who name it do not read it."""

FILE_NAME = "smoltui.toml"
